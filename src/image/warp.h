// The two OpenCV resamplings that the published face models use: cv2.resize and cv2.warpAffine,
// bilinear, on 8-bit RGB. OpenCV itself does the resizing (only on the calling thread), so its
// fixed-point rounding is exact. The warp is ours: OpenCV 4 rounds positions to 1/32 pixel, an
// error of up to 4 levels if a face is rotated; OpenCV 5 does not, and agrees with ours within one
// level.
#pragma once

#include "image/image.h"

namespace semblance {

/// A 2 x 3 matrix in double: x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5].
struct AffineMap {
  double m[6] = {1, 0, 0, 0, 1, 0};
};

/// cv2.resize with INTER_LINEAR: 2 x 2 pixels, no antialiasing. Throws Error(kArgument) for an
/// empty picture or a size that Image rejects.
Image cv_resize(const Image& image, Size to);

/// cv2.warpAffine with INTER_LINEAR and a black border: `forward` maps the picture's pixels to the
/// result's. Positions and weights are double, rounded once. Throws Error(kArgument) for an empty
/// picture, a size that Image rejects, or a matrix that is not finite or not invertible.
Image warp_affine(const Image& image, const AffineMap& forward, Size to);

}  // namespace semblance
