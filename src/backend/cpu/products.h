// Rows times a packed weight: the inner loops of linear layers and convolutions, in f32 and bf16.
//
// A weight consists of panels of `width` output channels. The summed axis is in words of 32 bits:
// an f32, or a pair of bf16. A sum is in f32, in the order of the words, whatever the other rows
// and columns are: a part of the rows or output channels has the bits of the whole.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace semblance::cpu {

constexpr std::int64_t kProductRows = 6;  // that are multiplied at once
constexpr std::int64_t kMostPanel = 64;   // output channels of a panel

/// Some rows of the result, at one panel.
struct ProductResult {
  std::byte* dst;             // at the first row and the panel's first output channel
  const std::byte* residual;  // likewise; null for none
  const float* bias;          // of the panel; null for none
  std::int64_t stride;        // elements from row to row
  std::int64_t columns;       // at most the panel's width
};

/// How this processor multiplies.
struct Products {
  std::int64_t width;  // of a panel
  /// sums[r][j] = (adds ? sums[r][j] : 0) + sum over words of rows[r][i] * panel[i][j], for `count`
  /// rows, at most kProductRows, and at least `columns` columns.
  void (*multiply)(const std::byte* const* rows, std::int64_t count, const std::byte* panel,
                   std::int64_t columns, std::int64_t words, bool adds, float* sums);
  /// Rounds sums + bias + residual to the result's type.
  void (*finish)(const float* sums, std::int64_t count, const ProductResult& result);
};

/// Null without AVX-512 BF16.
const Products* bf16_products();
const Products* f32_products();

}  // namespace semblance::cpu
