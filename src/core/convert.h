// Converts arrays between element types at memory speed (Highway, dispatched at run time).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/dtype.h"

namespace semblance {

/// Converts elements [first, first + dst.size()) of src to f32. Every dtype is accepted; i64 and
/// f64 round. Runs on the calling thread and allocates nothing. src has exactly the blocks of those
/// elements: `first` is below block_of(dtype).elements, 0 for a type without blocks.
void to_f32(DType dtype, std::span<const std::byte> src, std::span<float> dst,
            std::int64_t first = 0);

/// Converts f32 to `dtype` (f32, f16 or bf16), rounding to nearest even.
void from_f32(std::span<const float> src, DType dtype, std::span<std::byte> dst);

}  // namespace semblance
