#include "app/face_view.h"

#include <gtest/gtest.h>

#include <cmath>

namespace semblance {
namespace {

/// A face a little turned and tilted, with its nose at 52,60.
Identity person() {
  Identity face;
  face.keypoints = {{{40, 42}, {68, 40}, {52, 60}, {43, 76}, {66, 75}}};
  face.image_size = {128, 128};
  return face;
}

Keypoints seen(const std::string& view, const std::string& framing = "") {
  Request request;
  request.width = request.height = 128;
  if (!view.empty()) request.view = view;
  if (!framing.empty()) request.framing = framing;
  return seen_keypoints(person(), person().keypoints, request);
}

float across(const Keypoints& points) { return points[1][0] - points[0][0]; }
float down(const Keypoints& points) { return points[3][1] - points[0][1]; }
/// Where the nose is between the eyes: 0 at the left one, 1 at the right one.
float nose_between(const Keypoints& points) {
  return (points[2][0] - points[0][0]) / across(points);
}

TEST(FaceView, IsThePersonsOwnUnlessAsked) { EXPECT_EQ(seen(""), person().keypoints); }

TEST(FaceView, TurnsTheFace) {
  const Keypoints front = seen("front");
  EXPECT_NEAR(nose_between(front), 0.5, 1e-4);
  EXPECT_NEAR(front[0][1], front[1][1], 1e-3);
  EXPECT_NEAR(down(front), 34.5, 1);  // as large as it was
  EXPECT_NEAR((front[0][0] + front[1][0]) / 2, 54.25, 1);
  const Keypoints left = seen("three-quarter-left");
  const Keypoints right = seen("three-quarter-right");
  EXPECT_LT(nose_between(left), 0.3);
  EXPECT_GT(nose_between(right), 0.7);
  EXPECT_LT(across(left), across(front));
  EXPECT_NEAR(across(left), across(right), 1e-3);
  // In a profile the nose is beyond the eyes.
  EXPECT_LT(seen("profile-left")[2][0], seen("profile-left")[0][0]);
  EXPECT_GT(seen("profile-right")[2][0], seen("profile-right")[1][0]);
  EXPECT_LT(across(seen("profile-left")), across(left));
  // Looking up, the nose comes nearer to the eyes.
  const auto nose_height = [](const Keypoints& points) {
    return (points[2][1] - points[0][1]) / down(points);
  };
  EXPECT_LT(nose_height(seen("up")), nose_height(front));
  EXPECT_GT(nose_height(seen("down")), nose_height(front));
  EXPECT_LT(seen("tilt-right")[0][1], seen("tilt-right")[1][1]);
  EXPECT_GT(seen("tilt-left")[0][1], seen("tilt-left")[1][1]);
}

TEST(FaceView, FramesTheFace) {
  const Keypoints close = seen("front", "close-up");
  const Keypoints bust = seen("front", "bust");
  const Keypoints half = seen("front", "half");
  EXPECT_NEAR(down(close), 0.24 * 128, 0.5);
  EXPECT_GT(down(close), 1.5 * down(bust));
  EXPECT_GT(down(bust), 1.5 * down(half));
  EXPECT_LT(half[0][1], bust[0][1]);
  for (const Keypoints& points : {close, bust, half}) {
    EXPECT_NEAR((points[0][0] + points[1][0]) / 2, 64, 0.5);
    EXPECT_GT(points[0][1], 0);
  }
  // Its own view keeps its shape.
  const Keypoints own = seen("", "bust");
  EXPECT_NEAR(nose_between(own), nose_between(person().keypoints), 1e-3);
  EXPECT_NEAR(down(own) / down(person().keypoints), across(own) / across(person().keypoints), 1e-3);
}

}  // namespace
}  // namespace semblance
