// The edges of a picture, as ControlNets for edges read them: cv2.Canny as InstantID's demo calls
// it, on colour, with thresholds 100 and 200 by default. OpenCV itself computes them, so they are
// exact.
#pragma once

#include <cstdint>

#include "image/image.h"

namespace semblance {

/// Gradients above `high` are edges, and those above `low` that continue one.
struct CannyThresholds {
  double low = 100, high = 200;
};

/// White edges on black, of the same size. Throws Error(kArgument) for an empty picture.
Image canny(const Image& image, const CannyThresholds& thresholds = {});

/// The memory that it takes beside both pictures, at most.
std::uint64_t canny_bytes(Size size);

}  // namespace semblance
