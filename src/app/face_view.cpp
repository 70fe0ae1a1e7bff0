#include "app/face_view.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace semblance {
namespace {

/// How a face is turned, in degrees: to the viewer's right, downwards, and clockwise.
struct Turn {
  float yaw, pitch, roll;
};
/// In the order of kViewNames.
constexpr std::array<Turn, kViewNames.size()> kTurns{{{0, 0, 0},
                                                      {-35, 0, 0},
                                                      {35, 0, 0},
                                                      {-70, 0, 0},
                                                      {70, 0, 0},
                                                      {0, -25, 0},
                                                      {0, 25, 0},
                                                      {0, 0, -15},
                                                      {0, 0, 15}}};

/// Of the picture: the distance from the eyes to the mouth as a share of its height, and where the
/// middle between them is.
struct Frame {
  float share, x, y;
};
/// In the order of kFramingNames. A face is about 2.7 times as high as eyes and mouth are apart.
constexpr std::array<Frame, kFramingNames.size()> kFrames{
    {{0.24F, 0.5F, 0.5F}, {0.13F, 0.5F, 0.4F}, {0.075F, 0.5F, 0.26F}}};

template <std::size_t kCount>
std::size_t place_in(const std::array<std::string_view, kCount>& names, const Choice& choice) {
  const auto* const found = std::ranges::find(names, choice.name);
  SEMBLANCE_ASSERT(found != names.end());
  return static_cast<std::size_t>(found - names.begin());
}

struct Spot {
  float x, y;
};

Spot between(const std::array<float, 2>& a, const std::array<float, 2>& b) {
  return {(a[0] + b[0]) / 2, (a[1] + b[1]) / 2};
}
Spot eyes_of(const Keypoints& points) { return between(points[0], points[1]); }
Spot mouth_of(const Keypoints& points) { return between(points[3], points[4]); }

/// The distance from the eyes to the mouth; in a turned face the larger of it and that of the eyes.
float size_of_face(const Keypoints& points) {
  const Spot eyes = eyes_of(points);
  const Spot mouth = mouth_of(points);
  const float across = std::hypot(points[1][0] - points[0][0], points[1][1] - points[0][1]);
  return std::max(std::hypot(mouth.x - eyes.x, mouth.y - eyes.y), across);
}

Spot middle_of(const Keypoints& points) {
  const Spot eyes = eyes_of(points);
  const Spot mouth = mouth_of(points);
  return {(eyes.x + mouth.x) / 2, (eyes.y + mouth.y) / 2};
}

/// The person's face from the front: upright, symmetric, eyes at height 0 and 1 from the mouth.
struct Proportions {
  float eyes, mouth;  // half of their distances
  float nose;         // below the eyes
};

Proportions proportions_of(const Keypoints& points) {
  const Spot eyes = eyes_of(points);
  const Spot mouth = mouth_of(points);
  const float height = std::hypot(mouth.x - eyes.x, mouth.y - eyes.y);
  if (!(height > 0)) return {0.5F, 0.4F, 0.5F};
  const Spot down{(mouth.x - eyes.x) / height, (mouth.y - eyes.y) / height};
  const auto apart = [&](std::size_t a, std::size_t b) {
    return std::hypot(points[a][0] - points[b][0], points[a][1] - points[b][1]) / height / 2;
  };
  const float nose = ((points[2][0] - eyes.x) * down.x + (points[2][1] - eyes.y) * down.y) / height;
  // A photo from the side shows less of the width than there is.
  return {std::max(apart(0, 1), 0.45F), std::max(apart(3, 4), 0.35F),
          std::clamp(nose, 0.35F, 0.75F)};
}

/// The five points of a face that is turned; the eyes' middle is the origin before it turns.
Keypoints turned(const Proportions& face, const Turn& turn) {
  // Towards the viewer; the head turns about its middle, behind the face.
  constexpr float kNose = 0.45F, kMouth = 0.12F, kAxis = -0.9F;
  const std::array<std::array<float, 3>, 5> points{{{-face.eyes, 0, 0},
                                                    {face.eyes, 0, 0},
                                                    {0, face.nose, kNose},
                                                    {-face.mouth, 1, kMouth},
                                                    {face.mouth, 1, kMouth}}};
  const auto radians = [](float degrees) { return degrees * std::numbers::pi_v<float> / 180; };
  const auto rotate = [](float& a, float& b, float angle) {
    const float first = a * std::cos(angle) - b * std::sin(angle);
    b = a * std::sin(angle) + b * std::cos(angle);
    a = first;
  };
  Keypoints seen{};
  for (std::size_t i = 0; i < points.size(); ++i) {
    float x = points[i][0];
    float y = points[i][1] - 0.5F;
    float z = points[i][2] - kAxis;
    rotate(z, x, radians(turn.yaw));
    rotate(z, y, radians(turn.pitch));
    rotate(x, y, radians(turn.roll));
    seen[i] = {x, y};
  }
  return seen;
}

Keypoints moved(const Keypoints& points, float scale, Spot to) {
  const Spot from = middle_of(points);
  Keypoints all{};
  for (std::size_t i = 0; i < points.size(); ++i)
    all[i] = {to.x + (points[i][0] - from.x) * scale, to.y + (points[i][1] - from.y) * scale};
  return all;
}

}  // namespace

Keypoints seen_keypoints(const Identity& person, const Keypoints& place, const Request& request) {
  if (!request.view && !request.framing) return place;
  Keypoints points = place;
  float size = size_of_face(place);  // of the face from the front
  if (request.view) {
    const Proportions face = proportions_of(person.keypoints);
    points = turned(face, kTurns[place_in(kViewNames, *request.view)]);
    size /= std::max(1.0F, 2 * face.eyes);
    if (!request.framing) return moved(points, size, middle_of(place));
    size = 1;  // of these points
  } else {
    const Spot eyes = eyes_of(place);
    const Spot mouth = mouth_of(place);
    size = std::max(std::hypot(mouth.x - eyes.x, mouth.y - eyes.y), 1e-3F);
  }
  const Frame& frame = kFrames[place_in(kFramingNames, *request.framing)];
  const auto w = static_cast<float>(request.width);
  const auto h = static_cast<float>(request.height);
  // In a wide picture the height decides, in a tall one the width.
  return moved(points, frame.share * std::min(h, 1.5F * w) / size, {frame.x * w, frame.y * h});
}

}  // namespace semblance
