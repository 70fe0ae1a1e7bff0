// Packs weights from the checkpoint's order into the blocks that a oneDNN convolution reads. Runs
// at memory speed, since streamed weights are packed again for every step.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cpu/onednn.h"

namespace semblance::onednn {

/// Slices of a weight that are packed separately begin at multiples of this many rows.
std::int64_t pack_rows(const WeightLayout& layout);

/// Packs rows [first_row, first_row + rows) of groups * o, given as plain f32 [rows, c/groups, kh,
/// kw], into `packed` (layout.bytes of it, the whole weight); zeroes their padding. Uses only the
/// calling thread; several threads may pack disjoint rows at once. first_row must be a multiple of
/// pack_rows(), and so must rows except at the weight's end.
void pack_weight(const WeightLayout& layout, std::int64_t first_row, std::int64_t rows,
                 std::span<const float> plain, std::span<std::byte> packed);

}  // namespace semblance::onednn
