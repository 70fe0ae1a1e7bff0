// How this room uses OpenCV: only in .cpp files, on our own pixels, on the calling thread.
#pragma once

#include <opencv2/core.hpp>

#include "image/image.h"

namespace semblance {

/// A view of the picture's pixels. OpenCV has one type for sources and results, so a const picture
/// must only be passed as a source.
inline cv::Mat view_of(const Image& image) {
  // A second thread pool would compete with ours; these pictures are small.
  static const bool alone = (cv::setNumThreads(1), true);
  (void)alone;
  return cv::Mat(image.height(), image.width(), CV_8UC3,
                 const_cast<std::uint8_t*>(image.pixels().data()));
}

}  // namespace semblance
