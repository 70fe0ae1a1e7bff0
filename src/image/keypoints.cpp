#include "image/keypoints.h"

#include <cmath>

#include "core/error.h"

namespace semblance {

void check_keypoints(const Keypoints& keypoints, const char* what) {
  for (std::size_t i = 0; i < keypoints.size(); ++i) {
    const auto [x, y] = keypoints[i];
    // Written so that NaN fails too.
    if (std::fabs(x) <= kKeypointLimit && std::fabs(y) <= kKeypointLimit) continue;
    fail(ErrorKind::kArgument,
         "{}: keypoints must be finite and within {:.0f} pixels of the picture's corner, keypoint "
         "{} is ({}, {})",
         what, kKeypointLimit, i, x, y);
  }
}

}  // namespace semblance
