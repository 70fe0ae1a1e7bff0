// Weights from the checkpoint's order into the blocks that a oneDNN convolution reads, at memory
// speed: streamed weights are packed anew for every step.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cpu/onednn.h"

namespace semblance::onednn {

/// Slices of a weight that are packed apart begin at multiples of this many rows.
std::int64_t pack_rows(const WeightLayout& layout);

/// Packs rows [first_row, first_row + rows) of groups * o, given as plain f32 [rows, c/groups, kh,
/// kw], into `packed` (layout.bytes of it, the whole weight); zeroes the padding that belongs to
/// them. Runs on the calling thread; from several threads at once on disjoint rows. first_row is a
/// multiple of pack_rows(); so is rows, but at the weight's end.
void pack_weight(const WeightLayout& layout, std::int64_t first_row, std::int64_t rows,
                 std::span<const float> plain, std::span<std::byte> packed);

}  // namespace semblance::onednn
