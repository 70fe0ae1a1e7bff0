// How close computed values are to the expected ones, and how close they have to be.
#pragma once

#include <cstddef>
#include <span>

#include "core/dtype.h"

namespace semblance {

/// The bound is |got - want| <= absolute + relative * max|want|.
struct Tolerance {
  double absolute;
  double relative;
};

/// For results that are stored in f32, f16 or bf16.
constexpr Tolerance tolerance_of(DType dtype) {
  if (dtype == DType::kF16) return {1e-4, 1e-3};
  if (dtype == DType::kBF16) return {1e-3, 3e-2};
  return {1e-6, 1e-4};
}

struct Closeness {
  double bound = 0;
  double worst = 0;  // the largest |got - want|; infinite for a NaN
  std::size_t worst_index = 0;
  std::size_t out = 0;  // how many are beyond the bound
};

/// Both have the same size.
Closeness compare(std::span<const float> got, std::span<const float> want, Tolerance tolerance);

}  // namespace semblance
