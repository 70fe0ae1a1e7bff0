#include "runtime/bf16_products.h"

#include "core/error.h"
#include "runtime/bf16-inl.h"
#include "runtime/patch_kernels.h"

#if defined(__x86_64__)

namespace semblance {
namespace {

using bf16::kLanes;
using bf16::kRows;
using bf16::kVectors;
static_assert(bf16::kPanel == kPanelColumns);

// Masked, because g++ 12 wrongly reports uninitialized values in the other forms (GCC bug 105593).
SEMBLANCE_BF16 inline __m512i rounded(__m512 values) {
  return _mm512_maskz_cvtepu16_epi32(0xFFFF, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values)));
}
/// Both as bf16, `first` in the lower halves of the lanes.
SEMBLANCE_BF16 inline __m512i pair(__m512 first, __m512 second) {
  return _mm512_or_si512(rounded(first), _mm512_maskz_slli_epi32(0xFFFF, rounded(second), 16));
}

template <std::int64_t kCount>
SEMBLANCE_BF16 void product(const std::uint32_t* a, const std::uint32_t* panel, std::int64_t count,
                            bool adds, float* dst, std::int64_t dst_stride) {
  const std::uint32_t* rows[kCount];
  __m512 sum[kCount][kVectors];
#pragma GCC unroll 8
  for (std::int64_t r = 0; r < kCount; ++r) {
    rows[r] = a + r * count;
#pragma GCC unroll 8
    for (std::int64_t j = 0; j < kVectors; ++j) sum[r][j] = _mm512_setzero_ps();
  }
  bf16::multiply(rows, panel, count, sum);
#pragma GCC unroll 8
  for (std::int64_t r = 0; r < kCount; ++r) {
#pragma GCC unroll 8
    for (std::int64_t j = 0; j < kVectors; ++j) {
      float* const place = dst + r * dst_stride + j * kLanes;
      if (adds) sum[r][j] = _mm512_add_ps(_mm512_loadu_ps(place), sum[r][j]);
      _mm512_storeu_ps(place, sum[r][j]);
    }
  }
}

}  // namespace

bool has_bf16_products() {
  static const bool has =
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
  return has;
}

SEMBLANCE_BF16 void pair_columns(const float* a, std::int64_t rows, std::int64_t depth,
                                 std::uint32_t* pairs) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  const auto mask = [](std::int64_t left) {
    return static_cast<__mmask16>(left >= kLanes ? 0xFFFF : left <= 0 ? 0 : (1 << left) - 1);
  };
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t k = 0; k < depth; k += 2 * kLanes) {
      const __m512 low = _mm512_maskz_loadu_ps(mask(depth - k), a + k);
      const __m512 high = _mm512_maskz_loadu_ps(mask(depth - k - kLanes), a + k + kLanes);
      const __m512i both =
          pair(_mm512_permutex2var_ps(low, even, high), _mm512_permutex2var_ps(low, odd, high));
      _mm512_mask_storeu_epi32(pairs + k / 2, mask((depth - k + 1) / 2), both);
    }
    a += depth;
    pairs += (depth + 1) / 2;
  }
}

SEMBLANCE_BF16 void pair_rows(const float* panel, std::int64_t depth, std::uint32_t* pairs) {
  for (std::int64_t k = 0; k < depth; k += 2) {
    const float* const row = panel + k * kPanelColumns;
    for (std::int64_t j = 0; j < kPanelColumns; j += kLanes) {
      const __m512 first = _mm512_loadu_ps(row + j);
      const __m512 second =
          k + 1 < depth ? _mm512_loadu_ps(row + kPanelColumns + j) : _mm512_setzero_ps();
      _mm512_storeu_si512(pairs + k / 2 * kPanelColumns + j, pair(first, second));
    }
  }
}

SEMBLANCE_BF16 void multiply_pairs(const std::uint32_t* a, std::int64_t rows,
                                   const std::uint32_t* panel, std::int64_t count, bool adds,
                                   float* dst, std::int64_t dst_stride) {
  std::int64_t r = 0;
  for (; r + kRows <= rows; r += kRows)
    product<kRows>(a + r * count, panel, count, adds, dst + r * dst_stride, dst_stride);
  for (; r < rows; ++r)
    product<1>(a + r * count, panel, count, adds, dst + r * dst_stride, dst_stride);
}

}  // namespace semblance

#else

namespace semblance {

bool has_bf16_products() { return false; }
void pair_columns(const float*, std::int64_t, std::int64_t, std::uint32_t*) {
  SEMBLANCE_ASSERT(false);
}
void pair_rows(const float*, std::int64_t, std::uint32_t*) { SEMBLANCE_ASSERT(false); }
void multiply_pairs(const std::uint32_t*, std::int64_t, const std::uint32_t*, std::int64_t, bool,
                    float*, std::int64_t) {
  SEMBLANCE_ASSERT(false);
}

}  // namespace semblance

#endif
