#include <array>

#include "backend/cpu/products.h"
#include "runtime/bf16-inl.h"
#include "runtime/bf16_products.h"

#if defined(__x86_64__)

namespace semblance::cpu {
namespace {

using namespace bf16;

template <std::int64_t kRowCount, std::int64_t kCount>
SEMBLANCE_BF16 void multiply_some(const std::byte* const* rows, const std::byte* panel,
                                  std::int64_t words, bool adds, float* sums) {
  const std::uint32_t* row[kRowCount];
  __m512 sum[kRowCount][kCount];
#pragma GCC unroll 6
  for (std::int64_t r = 0; r < kRowCount; ++r) {
    row[r] = reinterpret_cast<const std::uint32_t*>(rows[r]);
#pragma GCC unroll 4
    for (std::int64_t j = 0; j < kCount; ++j)
      sum[r][j] = adds ? _mm512_loadu_ps(sums + r * kPanel + j * kLanes) : _mm512_setzero_ps();
  }
  multiply(row, reinterpret_cast<const std::uint32_t*>(panel), words, sum);
#pragma GCC unroll 6
  for (std::int64_t r = 0; r < kRowCount; ++r) {
#pragma GCC unroll 4
    for (std::int64_t j = 0; j < kCount; ++j)
      _mm512_storeu_ps(sums + r * kPanel + j * kLanes, sum[r][j]);
  }
}

using MultiplySome = decltype(&multiply_some<1, 1>);
template <std::int64_t kRowCount>
constexpr std::array<MultiplySome, kVectors> kByVectors{
    multiply_some<kRowCount, 1>, multiply_some<kRowCount, 2>, multiply_some<kRowCount, 3>,
    multiply_some<kRowCount, 4>};

void multiply_rows(const std::byte* const* rows, std::int64_t count, const std::byte* panel,
                   std::int64_t columns, std::int64_t words, bool adds, float* sums) {
  static constexpr std::array<std::array<MultiplySome, kVectors>, kRows> kByRows{
      kByVectors<1>, kByVectors<2>, kByVectors<3>, kByVectors<4>, kByVectors<5>, kByVectors<6>};
  const auto vectors = static_cast<std::size_t>((columns + kLanes - 1) / kLanes);
  kByRows[static_cast<std::size_t>(count - 1)][vectors - 1](rows, panel, words, adds, sums);
}

SEMBLANCE_BF16 void finish_rows(const float* sums, std::int64_t count,
                                const ProductResult& result) {
  for (std::int64_t c = 0; c < result.columns; c += kLanes) {
    const auto mask = static_cast<__mmask16>(first_elements(std::min(result.columns - c, kLanes)));
    const __m512 bias =
        result.bias != nullptr ? _mm512_maskz_loadu_ps(mask, result.bias + c) : _mm512_setzero_ps();
    for (std::int64_t r = 0; r < count; ++r) {
      __m512 value = _mm512_add_ps(_mm512_loadu_ps(sums + r * kPanel + c), bias);
      const std::int64_t place = r * result.stride + c;
      if (result.residual != nullptr) {
        const __m256i bits = _mm256_maskz_loadu_epi16(
            mask, reinterpret_cast<const std::uint16_t*>(result.residual) + place);
        value = _mm512_add_ps(
            value, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16)));
      }
      _mm256_mask_storeu_epi16(reinterpret_cast<std::uint16_t*>(result.dst) + place, mask,
                               reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)));
    }
  }
}

}  // namespace

const Products* bf16_products() {
  static_assert(kProductRows == kRows && kMostPanel == kPanel);
  static constexpr Products kProducts{kPanel, multiply_rows, finish_rows};
  return has_bf16_products() ? &kProducts : nullptr;
}

}  // namespace semblance::cpu

#else

namespace semblance::cpu {
const Products* bf16_products() { return nullptr; }
}  // namespace semblance::cpu

#endif
