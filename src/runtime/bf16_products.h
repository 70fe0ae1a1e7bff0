// Products of small matrices in bf16 with f32 sums, on processors with instructions for them
// (AVX-512 BF16): twice as fast as f32. Elements are paired along the summed axis, which is padded
// with a zero to an even length. An element has the same bits wherever its row lies in a tile. Pure
// functions on the calling thread.
#pragma once

#include <cstdint>

namespace semblance {

/// Whether this processor has the instructions. The functions below need them.
bool has_bf16_products();

/// Rounds a [rows,depth] to bf16 and pairs its columns: [rows,(depth + 1) / 2]. `pairs` may be `a`.
void pair_columns(const float* a, std::int64_t rows, std::int64_t depth, std::uint32_t* pairs);

/// Rounds panel [depth,kPanelColumns] to bf16 and pairs its rows: [(depth + 1) / 2,kPanelColumns].
/// `pairs` may be `panel`.
void pair_rows(const float* panel, std::int64_t depth, std::uint32_t* pairs);

/// As multiply_panel() of runtime/patch_kernels.h, of `count` pairs.
void multiply_pairs(const std::uint32_t* a, std::int64_t rows, const std::uint32_t* panel,
                    std::int64_t count, bool adds, float* dst, std::int64_t dst_stride);

}  // namespace semblance
