// The inner loops of weight patches (runtime/row_patcher.h), in f32 with Highway. Every element is
// computed by the same operations in the same order wherever its row and column lie in a tile, so
// that parts of a matrix have the bits of the whole. Pure functions on the calling thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace semblance {

/// Columns of a panel of the right factor.
inline constexpr std::int64_t kPanelColumns = 64;

/// Whether load_panel() reads factors of this type.
constexpr bool loads_panels_of(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

/// Converts `depth` rows of `columns` <= kPanelColumns elements to f32: panel [depth,
/// kPanelColumns], zero beyond `columns`. Rows are `stride_bytes` apart; src may be unaligned.
void load_panel(DType dtype, const std::byte* src, std::int64_t stride_bytes, std::int64_t depth,
                std::int64_t columns, float* panel);

/// dst[r][j] = (adds ? dst[r][j] : 0) + sum over i < depth of a[r][i] panel[i][j], for `rows` rows
/// and all kPanelColumns columns. The sum is computed first, in the order of i.
void multiply_panel(const float* a, std::int64_t a_stride, std::int64_t rows, const float* panel,
                    std::int64_t depth, bool adds, float* dst, std::int64_t dst_stride);

/// dst += scale * src.
void add_scaled(const float* src, float scale, float* dst, std::int64_t count);
/// dst *= src.
void multiply_by(const float* src, float* dst, std::int64_t count);
/// dst += blend * (ratio * (dst + scale * src) - dst); ratio[j] of each element, or ratio[0] of
/// all.
void blend_scaled(const float* src, float scale, const float* ratio, bool one_ratio, float blend,
                  float* dst, std::int64_t count);
/// sums[j] += row[j]^2, in f64.
void add_squares(const float* row, double* sums, std::int64_t count);

}  // namespace semblance
