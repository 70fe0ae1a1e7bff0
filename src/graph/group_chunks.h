// The chunks of pixels over which group normalisation gathers statistics.
#pragma once

#include <cstdint>

#include "core/shape.h"

namespace semblance {

/// Pixels per chunk for GroupNorm's x [n,...,c]. Depends on the whole picture's shape only, so that
/// no sum depends on the thread count or on how a picture is cut into bands. At most 256 chunks,
/// each but the last of at least 128 pixels; for x [n,h,w,c] the fewest whole rows that satisfy
/// both.
std::int64_t group_chunk_pixels(const Shape& x);

}  // namespace semblance
