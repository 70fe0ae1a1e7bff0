// The five points of a face, in pixels of the picture they were found in (x to the right, y down):
// left eye, right eye, nose, left and right corner of the mouth, as seen by the viewer.
#pragma once

#include <array>

namespace semblance {

using Keypoints = std::array<std::array<float, 2>, 5>;

/// No coordinate of a keypoint that is drawn or aligned may be further than this from the origin.
inline constexpr float kKeypointLimit = 1e6F;

/// Throws Error(kArgument), naming the point, unless all are finite and within kKeypointLimit.
/// `what` begins the message: "cannot draw the keypoint picture".
void check_keypoints(const Keypoints& keypoints, const char* what);

}  // namespace semblance
