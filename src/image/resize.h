// Resizing as Pillow's Image.resize does it for 8-bit RGB, byte for byte: antialiased (the filter
// widens when shrinking), 22-bit fixed-point coefficients, two passes with a rounding to 8 bits
// between them. Across comes first; but where the height shrinks by more than twice the pixels that
// the width shrinks by, down comes first, as from Pillow 13 on (before, across always came first:
// there such pictures differ by a level at most).
#pragma once

#include <cstdint>

#include "image/image.h"

namespace semblance {

enum class Filter : std::uint8_t { kNearest, kBilinear, kBicubic, kLanczos };

/// Any size from any size; the same size is a copy. The result does not depend on the number of
/// threads. The first pass is made row by row as the second needs it: beside both pictures it takes
/// a few rows for each thread. Throws Error(kArgument) for an empty picture or a size that Image
/// refuses.
Image resize(const Image& image, Size to, Filter filter);

}  // namespace semblance
