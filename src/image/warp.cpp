#include "image/warp.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

#include "core/error.h"
#include "core/parallel.h"
#include "image/opencv.h"

namespace semblance {
namespace {

void check_not_empty(const Image& image) {
  if (image.empty()) fail(ErrorKind::kArgument, "cannot resample a picture: it is empty");
}

/// Samples the picture bilinearly at (x, y); black outside.
void sample(const Image& image, double x, double y, std::uint8_t* dst) {
  // Written so that NaN counts as outside too; the rest fits an int.
  if (!(x > -1 && y > -1 && x < image.width() && y < image.height())) return;
  const int left = static_cast<int>(std::floor(x));
  const int top = static_cast<int>(std::floor(y));
  const double right_share = x - left;
  const double lower_share = y - top;
  double sum[3] = {};
  for (int dy = 0; dy < 2; ++dy) {
    if (top + dy < 0 || top + dy >= image.height()) continue;
    const std::uint8_t* row = image.row(top + dy);
    const double row_share = dy == 0 ? 1 - lower_share : lower_share;
    for (int dx = 0; dx < 2; ++dx) {
      if (left + dx < 0 || left + dx >= image.width()) continue;
      const double share = row_share * (dx == 0 ? 1 - right_share : right_share);
      const std::uint8_t* pixel = row + static_cast<std::ptrdiff_t>(left + dx) * 3;
      for (int c = 0; c < 3; ++c) sum[c] += share * pixel[c];
    }
  }
  for (int c = 0; c < 3; ++c) dst[c] = static_cast<std::uint8_t>(std::lrint(sum[c]));
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
  double largest = 0;
  bool finite = true;
  for (const double value : forward.m) finite = finite && std::isfinite(value);
  for (const int i : {0, 1, 3, 4}) largest = std::fmax(largest, std::fabs(forward.m[i]));
  const double determinant = forward.m[0] * forward.m[4] - forward.m[1] * forward.m[3];
  if (!finite || !(std::fabs(determinant) > 1e-12 * largest * largest) ||
      !std::isfinite(1 / determinant)) {
    fail(ErrorKind::kArgument,
         "cannot warp a picture: the matrix must be finite and invertible, got [{}, {}, {}; {}, "
         "{}, {}]",
         forward.m[0], forward.m[1], forward.m[2], forward.m[3], forward.m[4], forward.m[5]);
  }
  // From the result's pixels back to the picture's.
  const double* m = forward.m;
  const double xx = m[4] / determinant;
  const double xy = -m[1] / determinant;
  const double yx = -m[3] / determinant;
  const double yy = m[0] / determinant;
  const double x0 = -(xx * m[2] + xy * m[5]);
  const double y0 = -(yx * m[2] + yy * m[5]);
  Image out(to);
  parallel_for(to.h, [&](std::int64_t row) {
    const auto y = static_cast<double>(row);
    std::uint8_t* dst = out.row(static_cast<int>(row));
    for (int x = 0; x < to.w; ++x, dst += 3) {
      sample(image, xx * x + xy * y + x0, yx * x + yy * y + y0, dst);
    }
  });
  return out;
}

}  // namespace semblance
