// The recogniser's view of a face: turned, scaled and moved so that its five points lie as nearly
// as they can where ArcFace was taught to expect them, in 112 x 112 pixels.
#pragma once

#include "image/image.h"
#include "image/keypoints.h"
#include "image/warp.h"

namespace semblance {

inline constexpr int kAlignedSide = 112;

/// The similarity (scale, turn, move; no mirroring) that takes the keypoints to ArcFace's with the
/// least squared error: Umeyama (1991), which in the plane has a closed form. Throws
/// Error(kArgument) as check_keypoints does, and for points that fix no similarity (all at one
/// place, say).
AffineMap face_alignment(const Keypoints& keypoints);

/// The face, 112 x 112, black where the picture ends: insightface's norm_crop. Throws as
/// face_alignment and warp_affine do.
Image align_face(const Image& image, const Keypoints& keypoints);

}  // namespace semblance
