// The five points of a face, in pixels of the picture in which they were found (x to the right, y
// down): left eye, right eye, nose, left and right corner of the mouth, from the viewer's side.
#pragma once

#include <array>

namespace semblance {

using Keypoints = std::array<std::array<float, 2>, 5>;

/// The largest absolute coordinate of a keypoint that is drawn or aligned.
inline constexpr float kKeypointLimit = 1e6F;

/// Throws Error(kArgument), naming the point, unless all are finite and within kKeypointLimit.
/// `what` begins the message: "cannot draw the keypoint picture".
void check_keypoints(const Keypoints& keypoints, const char* what);

}  // namespace semblance
