#include "graph/group_chunks.h"

#include <algorithm>

#include "core/integers.h"

namespace semblance {
namespace {

constexpr std::int64_t kMostChunks = 256;
constexpr std::int64_t kFewestPixels = 128;
constexpr std::int64_t kStep = 32;  // pixels; for shapes without rows

}  // namespace

std::int64_t group_chunk_pixels(const Shape& x) {
  const std::int64_t pixels = x.with(0, 1).elements_before(-1);
  const std::int64_t wanted = std::max(kFewestPixels, (pixels + kMostChunks - 1) / kMostChunks);
  const std::int64_t step = x.rank() == 4 ? std::max<std::int64_t>(1, x[2]) : kStep;
  return round_up(wanted, step);
}

}  // namespace semblance
