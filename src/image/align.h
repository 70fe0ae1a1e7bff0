// The recogniser's view of a face, 112 x 112 pixels: rotated, scaled and moved so that its five
// points are as close as possible to where ArcFace was trained to expect them.
#pragma once

#include "image/image.h"
#include "image/keypoints.h"
#include "image/warp.h"

namespace semblance {

inline constexpr int kAlignedSide = 112;

/// The similarity (scale, rotation, translation; no mirroring) that maps the keypoints to ArcFace's
/// with the least squared error: Umeyama (1991), which has a closed form in the plane. Throws
/// Error(kArgument) like check_keypoints, and for points that do not determine a similarity (for
/// example, all coincide).
AffineMap face_alignment(const Keypoints& keypoints);

/// The aligned face, 112 x 112, black outside the picture: insightface's norm_crop. Throws like
/// face_alignment and warp_affine.
Image align_face(const Image& image, const Keypoints& keypoints);

}  // namespace semblance
