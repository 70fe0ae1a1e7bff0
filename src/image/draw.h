// IdentityNet's conditioning picture: where the face is to be. The bytes of InstantID's draw_kps.
#pragma once

#include "image/image.h"
#include "image/keypoints.h"

namespace semblance {

/// On black: from each of the four outer points to the nose a filled ellipse of half-width 4 in the
/// outer point's colour, all darkened to 0.6, then a disc of radius 10 at each point. Colours in
/// order: red, green, blue, yellow, magenta. Points may lie outside of the picture. Throws
/// Error(kArgument) as check_keypoints and Image do.
Image draw_keypoints(const Keypoints& keypoints, Size size);

}  // namespace semblance
