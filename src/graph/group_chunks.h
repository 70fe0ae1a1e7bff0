// Into which chunks of pixels the statistics of group normalisation are cut.
#pragma once

#include <cstdint>

#include "core/shape.h"

namespace semblance {

/// Pixels of a chunk of a whole picture, x [n,...,c] of GroupNorm: a rule of the shape alone, so
/// that no sum depends on how many threads there are or in which bands a picture is computed. At
/// most 256 chunks, none but the last below 128 pixels; for x [n,h,w,c] whole rows, the fewest that
/// do.
std::int64_t group_chunk_pixels(const Shape& x);

}  // namespace semblance
