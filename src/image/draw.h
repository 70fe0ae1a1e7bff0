// IdentityNet's conditioning picture, which shows where the face should be. Byte-identical to
// InstantID's draw_kps.
#pragma once

#include "image/image.h"
#include "image/keypoints.h"

namespace semblance {

/// On black: a filled ellipse of half-width 4 from each of the four outer points to the nose, in
/// the outer point's colour darkened to 0.6; then a disc of radius 10 at each point. Colours in
/// order: red, green, blue, yellow, magenta. Points may be outside the picture. Throws
/// Error(kArgument) like check_keypoints and Image.
Image draw_keypoints(const Keypoints& keypoints, Size size);

}  // namespace semblance
