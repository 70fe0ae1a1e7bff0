#include "image/align.h"

#include <cmath>

#include "core/error.h"

namespace semblance {
namespace {

constexpr std::array<std::array<double, 2>, 5> kArcFace = {{{38.2946, 51.6963},
                                                            {73.5318, 51.5014},
                                                            {56.0252, 71.7366},
                                                            {41.5493, 92.3655},
                                                            {70.7299, 92.2041}}};

template <typename Points>
std::array<double, 2> mean_of(const Points& points) {
  double x = 0;
  double y = 0;
  for (const auto& point : points) {
    x += static_cast<double>(point[0]);
    y += static_cast<double>(point[1]);
  }
  return {x / static_cast<double>(points.size()), y / static_cast<double>(points.size())};
}

}  // namespace

AffineMap face_alignment(const Keypoints& keypoints) {
  check_keypoints(keypoints, "cannot align the face");
  const auto from = mean_of(keypoints);
  const auto to = mean_of(kArcFace);
  // With points as complex numbers the similarity is z -> s z + t, where s is the regression of the
  // template's centred points q on the face's p: sum(conj(p) q) / sum(|p|^2).
  double spread = 0;
  double real = 0;
  double imaginary = 0;
  for (std::size_t i = 0; i < keypoints.size(); ++i) {
    const double px = static_cast<double>(keypoints[i][0]) - from[0];
    const double py = static_cast<double>(keypoints[i][1]) - from[1];
    const double qx = kArcFace[i][0] - to[0];
    const double qy = kArcFace[i][1] - to[1];
    spread += px * px + py * py;
    real += px * qx + py * qy;
    imaginary += px * qy - py * qx;
  }
  // A thousandth of a pixel: far below any detector's resolution, far above float rounding.
  constexpr double kLeastSpread = 1e-6;
  const double a = real / spread;
  const double b = imaginary / spread;
  if (!(spread > kLeastSpread) || !(std::hypot(a, b) > 1e-9)) {
    fail(ErrorKind::kArgument,
         "cannot align the face: its keypoints do not determine a position and size (they coincide "
         "or cancel out); the first is ({}, {})",
         keypoints[0][0], keypoints[0][1]);
  }
  return {{a, -b, to[0] - (a * from[0] - b * from[1]), b, a, to[1] - (b * from[0] + a * from[1])}};
}

Image align_face(const Image& image, const Keypoints& keypoints) {
  return warp_affine(image, face_alignment(keypoints), {kAlignedSide, kAlignedSide});
}

}  // namespace semblance
