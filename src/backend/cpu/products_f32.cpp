#include "backend/cpu/products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/products_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace semblance::HWY_NAMESPACE {

// With kProductRows rows, their sums stay in registers.
constexpr int kColumnVectors = HWY_MAX_BYTES >= 64 ? 4 : 2;
constexpr std::int64_t kWidth = kColumnVectors * kFixedLanes;

template <std::int64_t kRowCount, int kVectors>
HWY_INLINE void multiply_some(const std::byte* const* rows, const std::byte* panel,
                              std::int64_t words, bool adds, float* HWY_RESTRICT sums) {
  const Floats d;
  const float* row[kRowCount];
  Vector sum[kRowCount][kVectors];
#pragma GCC unroll 6
  for (std::int64_t r = 0; r < kRowCount; ++r) {
    row[r] = reinterpret_cast<const float*>(rows[r]);
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j)
      sum[r][j] = adds ? load(sums + r * kWidth + j * kFixedLanes) : hn::Zero(d);
  }
  const float* column = reinterpret_cast<const float*>(panel);
  for (std::int64_t i = 0; i < words; ++i) {
    Vector columns[kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) columns[j] = load(column + j * kFixedLanes);
    column += kWidth;
#pragma GCC unroll 6
    for (std::int64_t r = 0; r < kRowCount; ++r) {
      const Vector value = hn::Set(d, row[r][i]);
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) sum[r][j] = hn::MulAdd(value, columns[j], sum[r][j]);
    }
  }
#pragma GCC unroll 6
  for (std::int64_t r = 0; r < kRowCount; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) store(sum[r][j], sums + r * kWidth + j * kFixedLanes);
  }
}

template <std::int64_t kRowCount>
void multiply_columns(const std::byte* const* rows, const std::byte* panel, std::int64_t columns,
                      std::int64_t words, bool adds, float* sums) {
  if (columns <= kFixedLanes) return multiply_some<kRowCount, 1>(rows, panel, words, adds, sums);
  if constexpr (kColumnVectors == 4) {
    if (columns <= 2 * kFixedLanes)
      return multiply_some<kRowCount, 2>(rows, panel, words, adds, sums);
    if (columns <= 3 * kFixedLanes)
      return multiply_some<kRowCount, 3>(rows, panel, words, adds, sums);
  }
  multiply_some<kRowCount, kColumnVectors>(rows, panel, words, adds, sums);
}

void multiply_rows(const std::byte* const* rows, std::int64_t count, const std::byte* panel,
                   std::int64_t columns, std::int64_t words, bool adds, float* sums) {
  switch (count) {
    case 1:
      return multiply_columns<1>(rows, panel, columns, words, adds, sums);
    case 2:
      return multiply_columns<2>(rows, panel, columns, words, adds, sums);
    case 3:
      return multiply_columns<3>(rows, panel, columns, words, adds, sums);
    case 4:
      return multiply_columns<4>(rows, panel, columns, words, adds, sums);
    case 5:
      return multiply_columns<5>(rows, panel, columns, words, adds, sums);
    default:
      return multiply_columns<6>(rows, panel, columns, words, adds, sums);
  }
}

void finish_rows(const float* sums, std::int64_t count, const cpu::ProductResult& result) {
  const Floats d;
  for (std::int64_t c = 0; c < result.columns; c += kFixedLanes) {
    const std::int64_t left = result.columns - c;
    const auto part = [&](const float* src) {
      return left >= kFixedLanes ? load(src) : load_part(src, left);
    };
    const Vector bias = result.bias != nullptr ? part(result.bias + c) : hn::Zero(d);
    for (std::int64_t r = 0; r < count; ++r) {
      Vector value = hn::Add(load(sums + r * kWidth + c), bias);
      const std::int64_t place = r * result.stride + c;
      if (result.residual != nullptr)
        value = hn::Add(value, part(reinterpret_cast<const float*>(result.residual) + place));
      float* const dst = reinterpret_cast<float*>(result.dst) + place;
      left >= kFixedLanes ? store(value, dst) : store_part(value, dst, left);
    }
  }
}

const cpu::Products* products() {
  static constexpr cpu::Products kProducts{kWidth, multiply_rows, finish_rows};
  return &kProducts;
}

}  // namespace semblance::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace semblance {
HWY_EXPORT(products);
}  // namespace semblance
namespace semblance::cpu {

const Products* f32_products() { return HWY_DYNAMIC_DISPATCH(products)(); }

}  // namespace semblance::cpu
#endif
