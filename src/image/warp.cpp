#include "image/warp.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

#include "core/error.h"
#include "image/opencv.h"

namespace semblance {
namespace {

constexpr int kWarpSideLimit = 32'766;

void check_not_empty(const Image& image) {
  if (image.empty()) fail(ErrorKind::kArgument, "cannot resample a picture: it is empty");
}

}  // namespace

Image cv_resize(const Image& image, Size to) {
  check_not_empty(image);
  Image out(to);
  cv::Mat dst = view_of(out);
  cv::resize(view_of(image), dst, cv::Size(to.w, to.h), 0, 0, cv::INTER_LINEAR);
  SEMBLANCE_ASSERT(dst.data == out.pixels().data());
  return out;
}

Image warp_affine(const Image& image, const AffineMap& forward, Size to) {
  check_not_empty(image);
  for (const Size size : {image.size(), to}) {
    if (size.w > kWarpSideLimit || size.h > kWarpSideLimit) {
      fail(ErrorKind::kArgument,
           "cannot warp a picture: sides may be {} pixels, one of {}x{} is wanted", kWarpSideLimit,
           size.w, size.h);
    }
  }
  double largest = 0;
  bool finite = true;
  for (const double value : forward.m) finite = finite && std::isfinite(value);
  for (const int i : {0, 1, 3, 4}) largest = std::fmax(largest, std::fabs(forward.m[i]));
  const double determinant = forward.m[0] * forward.m[4] - forward.m[1] * forward.m[3];
  if (!finite || !(std::fabs(determinant) > 1e-12 * largest * largest) ||
      !std::isfinite(1 / determinant)) {
    fail(ErrorKind::kArgument,
         "cannot warp a picture: the matrix must be finite and invertible, it is [{}, {}, {}; {}, "
         "{}, {}]",
         forward.m[0], forward.m[1], forward.m[2], forward.m[3], forward.m[4], forward.m[5]);
  }
  Image out(to);
  cv::Mat dst = view_of(out);
  cv::warpAffine(view_of(image), dst, cv::Mat(2, 3, CV_64F, const_cast<double*>(forward.m)),
                 cv::Size(to.w, to.h), cv::INTER_LINEAR, cv::BORDER_CONSTANT, cv::Scalar());
  SEMBLANCE_ASSERT(dst.data == out.pixels().data());
  return out;
}

}  // namespace semblance
