// The two resamplings of OpenCV that the face models were published with: cv2.resize and
// cv2.warpAffine, bilinear, on 8-bit RGB. Done by OpenCV itself (on the calling thread alone), so
// that the fixed-point rounding is its own; versions of OpenCV differ by a level or two.
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
/// result's. Throws Error(kArgument) for an empty picture, sides of either beyond 32,766 (OpenCV's
/// limit), or a matrix that is not finite or flattens the picture.
Image warp_affine(const Image& image, const AffineMap& forward, Size to);

}  // namespace semblance
