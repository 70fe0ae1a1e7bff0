// Resizes 8-bit RGB exactly like Pillow's Image.resize: antialiased (the filter widens when
// shrinking), 22-bit fixed-point coefficients, two passes with rounding to 8 bits between them. The
// horizontal pass comes first, unless the height shrinks by more than twice as many pixels as the
// width; then the vertical pass does, as in Pillow 13 and later (in earlier versions the horizontal
// pass always came first, and such pictures differ by at most one level).
#pragma once

#include <cstdint>

#include "image/image.h"

namespace semblance {

enum class Filter : std::uint8_t { kNearest, kBilinear, kBicubic, kLanczos };

/// Resizes to any size; the same size gives a copy. The result does not depend on the number of
/// threads. The first pass runs row by row as the second needs it, so besides the two pictures this
/// only uses a few rows per thread. Throws Error(kArgument) for an empty picture or a size that
/// Image rejects.
Image resize(const Image& image, Size to, Filter filter);

}  // namespace semblance
