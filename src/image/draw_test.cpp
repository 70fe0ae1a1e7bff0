#include "image/draw.h"

#include <cmath>
#include <limits>

#include "image/decode.h"
#include "image/testing.h"

namespace semblance {
namespace {

using namespace semblance::testing;

Keypoints keypoints_of(const nlohmann::json& points) {
  Keypoints keypoints;
  for (std::size_t i = 0; i < 5; ++i) keypoints[i] = {points[i][0], points[i][1]};
  return keypoints;
}

TEST(DrawKeypoints, MatchesOpenCvExactly) {
  const auto cases = golden_json("draw.json");
  ASSERT_EQ(cases.size(), 25U);
  for (const auto& entry : cases) {
    const std::string name = entry["file"];
    const Image want = decode(golden_path("image/draw/" + name));
    const Image got =
        draw_keypoints(keypoints_of(entry["keypoints"]), {entry["size"][0], entry["size"][1]});
    ASSERT_EQ(got.size(), want.size());
    EXPECT_EQ(largest_difference(got.pixels(), want.pixels()), 0) << name;
  }
}

TEST(DrawKeypoints, RejectsInvalidPoints) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {NAN, kInfinity, -kInfinity, 1.1e6F, -3e38F}) {
    Keypoints keypoints{};
    keypoints[3][1] = bad;
    expect_error(ErrorKind::kArgument,
                 "cannot draw the keypoint picture: keypoints must be finite and within 1000000 "
                 "pixels of the picture's corner, keypoint 3 is (0, ",
                 [&] {
                   draw_keypoints(keypoints, {64, 64});
                 });
  }
  expect_error(ErrorKind::kArgument, "cannot make a picture of 0x64", [] {
    draw_keypoints({}, {0, 64});
  });
}

}  // namespace
}  // namespace semblance
