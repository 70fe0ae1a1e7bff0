#include "image/canny.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>

#include "core/error.h"
#include "image/opencv.h"

namespace semblance {

Image canny(const Image& image, const CannyThresholds& thresholds) {
  if (image.empty()) fail(ErrorKind::kArgument, "cannot find a picture's edges: it is empty");
  cv::Mat edges;
  {
    cv::Mat bgr;  // of colours with equal gradients the first counts
    cv::cvtColor(view_of(image), bgr, cv::COLOR_RGB2BGR);
    cv::Canny(bgr, edges, thresholds.low, thresholds.high);
  }
  Image out(image.size());
  for (int y = 0; y < image.height(); ++y) {
    const std::uint8_t* const src = edges.ptr(y);
    std::uint8_t* const dst = out.row(y);
    for (std::ptrdiff_t x = 0; x < image.width(); ++x) std::fill_n(dst + 3 * x, 3, src[x]);
  }
  return out;
}

/// The picture in another order, two gradients of 16 bits for each colour, the map, the edges and
/// a stack.
std::uint64_t canny_bytes(Size size) {
  return 22 * (static_cast<std::uint64_t>(size.w) + 2) * (static_cast<std::uint64_t>(size.h) + 2);
}

}  // namespace semblance
