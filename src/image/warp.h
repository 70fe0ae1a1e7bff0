// The two resamplings of OpenCV that the face models were published with: cv2.resize and
// cv2.warpAffine, bilinear, on 8-bit RGB. Resizing is done by OpenCV itself (on the calling thread
// alone), so that its fixed-point rounding is its own. The warp is ours: OpenCV 4 rounds positions
// to 1/32 pixel, which costs up to 4 levels where a face is turned; OpenCV 5 does not, and agrees
// with this within a level.
#pragma once

#include "image/image.h"

namespace semblance {

/// A 2 x 3 matrix in double: x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5].
struct AffineMap {
  double m[6] = {1, 0, 0, 0, 1, 0};
};

/// cv2.resize with INTER_LINEAR: two by two pixels, no antialiasing. Throws Error(kArgument) for an
/// empty picture or a size that Image refuses.
Image cv_resize(const Image& image, Size to);

/// cv2.warpAffine with INTER_LINEAR and a black border: `forward` takes the picture's pixels to the
/// result's. Positions and weights in double, rounded once. Throws Error(kArgument) for an empty
/// picture, a size that Image refuses, or a matrix that is not finite or flattens the picture.
Image warp_affine(const Image& image, const AffineMap& forward, Size to);

}  // namespace semblance
