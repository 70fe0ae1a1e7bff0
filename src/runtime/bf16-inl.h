// The inner product of our bf16 kernels, for processors with AVX-512 BF16.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#if !defined(__clang__)
// g++ 12 wrongly reports uninitialized values in its own intrinsics (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#define SEMBLANCE_BF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))

namespace semblance::bf16 {

constexpr std::int64_t kLanes = 16;
constexpr std::int64_t kRows = 6;  // of the inner product; with kVectors its sums stay in registers
constexpr std::int64_t kVectors = 4;                // of the inner product
constexpr std::int64_t kPanel = kVectors * kLanes;  // columns of a panel

/// A mask of the first `count` elements; of none below 0.
SEMBLANCE_BF16 inline __mmask32 first_elements(std::int64_t count) {
  return count >= 32 ? 0xFFFFFFFFU : count <= 0 ? 0U : (1U << count) - 1U;
}

/// sum[r] += sum over `pairs` of rows[r] * panel, for the panel's first kCount vectors. Elements
/// are paired along the summed axis.
template <std::int64_t kRowCount, std::int64_t kCount>
SEMBLANCE_BF16 inline void multiply(const std::uint32_t* const (&rows)[kRowCount],
                                    const std::uint32_t* panel, std::int64_t pairs,
                                    __m512 (&sum)[kRowCount][kCount]) {
  for (std::int64_t i = 0; i < pairs; ++i) {
    __m512bh columns[kCount];
#pragma GCC unroll 4
    for (std::int64_t j = 0; j < kCount; ++j)
      columns[j] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(panel + i * kPanel + j * kLanes));
#pragma GCC unroll 6
    for (std::int64_t r = 0; r < kRowCount; ++r) {
      const auto value =
          reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(rows[r][i])));
#pragma GCC unroll 4
      for (std::int64_t j = 0; j < kCount; ++j)
        sum[r][j] = _mm512_dpbf16_ps(sum[r][j], value, columns[j]);
    }
  }
}

}  // namespace semblance::bf16

#endif
