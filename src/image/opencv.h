// How this room holds OpenCV: only from .cpp files, over our own pixels, on the calling thread.
#pragma once

#include <opencv2/core.hpp>

#include "image/image.h"

namespace semblance {

/// A view of the picture's pixels. OpenCV has one type for what it reads and writes: what is const
/// here is only ever passed as a source.
inline cv::Mat view_of(const Image& image) {
  // A second pool of threads beside ours would wait for it; these pictures are small.
  static const bool alone = (cv::setNumThreads(1), true);
  (void)alone;
  return cv::Mat(image.height(), image.width(), CV_8UC3,
                 const_cast<std::uint8_t*>(image.pixels().data()));
}

}  // namespace semblance
