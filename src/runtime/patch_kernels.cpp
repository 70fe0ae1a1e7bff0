#include "runtime/patch_kernels.h"

#include <algorithm>
#include <cstring>

#include "core/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/patch_kernels.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace semblance::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// 16, 8 or 4 floats, or 1 without vectors.
using Floats = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Floats>;
using Words = hn::RebindToUnsigned<Floats>;
using Halves = hn::Rebind<std::uint16_t, Floats>;
constexpr std::int64_t kLanes =
    HWY_TARGET == HWY_SCALAR ? 1 : (HWY_MAX_BYTES >= 64 ? 16 : HWY_MAX_BYTES / 4);

// Rows and vectors of the inner kernel: their sums stay in registers.
constexpr std::int64_t kVectors = HWY_MAX_BYTES >= 64 ? 4 : 2;
constexpr std::int64_t kRows = HWY_MAX_BYTES >= 64 ? 6 : 4;
constexpr std::int64_t kSteps = kPanelColumns / (kVectors * kLanes);
static_assert(kSteps * kVectors * kLanes == kPanelColumns);

struct FromF32 {
  static constexpr std::int64_t kBytes = 4;
  static HWY_INLINE Vector load(const std::byte* src) {
    return hn::LoadU(Floats(), reinterpret_cast<const float*>(src));
  }
  static float one(const std::byte* src) {
    float value = 0;
    std::memcpy(&value, src, sizeof(value));
    return value;
  }
};
struct FromF16 {
  static constexpr std::int64_t kBytes = 2;
  static HWY_INLINE Vector load(const std::byte* src) {
    const hn::Rebind<hwy::float16_t, Floats> f16;
    const auto bits = hn::LoadU(Halves(), reinterpret_cast<const std::uint16_t*>(src));
    return hn::PromoteTo(Floats(), hn::BitCast(f16, bits));
  }
  static float one(const std::byte* src) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, src, sizeof(bits));
    return f16_to_f32(bits);
  }
};
struct FromBF16 {
  static constexpr std::int64_t kBytes = 2;
  static HWY_INLINE Vector load(const std::byte* src) {
    const auto bits = hn::LoadU(Halves(), reinterpret_cast<const std::uint16_t*>(src));
    return hn::BitCast(Floats(), hn::ShiftLeft<16>(hn::PromoteTo(Words(), bits)));
  }
  static float one(const std::byte* src) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, src, sizeof(bits));
    return bf16_to_f32(bits);
  }
};

template <typename From>
void load_panel_of(const std::byte* src, std::int64_t stride_bytes, std::int64_t depth,
                   std::int64_t columns, float* HWY_RESTRICT panel) {
  const Floats d;
  if (columns == kPanelColumns) {
    for (std::int64_t i = 0; i < depth; ++i) {
      for (std::int64_t j = 0; j < kPanelColumns; j += kLanes)
        hn::StoreU(From::load(src + j * From::kBytes), d, panel + j);
      src += stride_bytes;
      panel += kPanelColumns;
    }
    return;
  }
  for (std::int64_t i = 0; i < depth; ++i) {
    std::int64_t j = 0;
    for (; j + kLanes <= columns; j += kLanes)
      hn::StoreU(From::load(src + j * From::kBytes), d, panel + j);
    for (; j < columns; ++j) panel[j] = From::one(src + j * From::kBytes);
    std::fill(panel + j, panel + kPanelColumns, 0.0F);
    src += stride_bytes;
    panel += kPanelColumns;
  }
}

void load_panel_f32(const std::byte* src, std::int64_t stride_bytes, std::int64_t depth,
                    std::int64_t columns, float* panel) {
  load_panel_of<FromF32>(src, stride_bytes, depth, columns, panel);
}
void load_panel_f16(const std::byte* src, std::int64_t stride_bytes, std::int64_t depth,
                    std::int64_t columns, float* panel) {
  load_panel_of<FromF16>(src, stride_bytes, depth, columns, panel);
}
void load_panel_bf16(const std::byte* src, std::int64_t stride_bytes, std::int64_t depth,
                     std::int64_t columns, float* panel) {
  load_panel_of<FromBF16>(src, stride_bytes, depth, columns, panel);
}

/// kCount rows and kVectors vectors.
template <std::int64_t kCount, bool kAdds>
HWY_INLINE void product(const float* HWY_RESTRICT a, std::int64_t a_stride,
                        const float* HWY_RESTRICT panel, std::int64_t depth,
                        float* HWY_RESTRICT dst, std::int64_t dst_stride) {
  const Floats d;
  Vector sum[kCount][kVectors];
#pragma GCC unroll 8
  for (std::int64_t r = 0; r < kCount; ++r) {
#pragma GCC unroll 8
    for (std::int64_t j = 0; j < kVectors; ++j) sum[r][j] = hn::Zero(d);
  }
  for (std::int64_t i = 0; i < depth; ++i) {
    Vector row[kVectors];
#pragma GCC unroll 8
    for (std::int64_t j = 0; j < kVectors; ++j)
      row[j] = hn::LoadU(d, panel + i * kPanelColumns + j * kLanes);
#pragma GCC unroll 8
    for (std::int64_t r = 0; r < kCount; ++r) {
      const Vector value = hn::Set(d, a[r * a_stride + i]);
#pragma GCC unroll 8
      for (std::int64_t j = 0; j < kVectors; ++j) sum[r][j] = hn::MulAdd(value, row[j], sum[r][j]);
    }
  }
#pragma GCC unroll 8
  for (std::int64_t r = 0; r < kCount; ++r) {
#pragma GCC unroll 8
    for (std::int64_t j = 0; j < kVectors; ++j) {
      float* const place = dst + r * dst_stride + j * kLanes;
      if constexpr (kAdds) sum[r][j] = hn::Add(hn::LoadU(d, place), sum[r][j]);
      hn::StoreU(sum[r][j], d, place);
    }
  }
}

template <bool kAdds>
void multiply_panel_to(const float* a, std::int64_t a_stride, std::int64_t rows, const float* panel,
                       std::int64_t depth, float* dst, std::int64_t dst_stride) {
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const float* const part = panel + step * kVectors * kLanes;
    float* const place = dst + step * kVectors * kLanes;
    std::int64_t r = 0;
    for (; r + kRows <= rows; r += kRows)
      product<kRows, kAdds>(a + r * a_stride, a_stride, part, depth, place + r * dst_stride,
                            dst_stride);
    for (; r + 2 <= rows; r += 2)
      product<2, kAdds>(a + r * a_stride, a_stride, part, depth, place + r * dst_stride,
                        dst_stride);
    if (r < rows)
      product<1, kAdds>(a + r * a_stride, a_stride, part, depth, place + r * dst_stride,
                        dst_stride);
  }
}

void multiply_panel(const float* a, std::int64_t a_stride, std::int64_t rows, const float* panel,
                    std::int64_t depth, bool adds, float* dst, std::int64_t dst_stride) {
  adds ? multiply_panel_to<true>(a, a_stride, rows, panel, depth, dst, dst_stride)
       : multiply_panel_to<false>(a, a_stride, rows, panel, depth, dst, dst_stride);
}

/// Calls f(tag, i) for each whole vector and, with a tag of one lane, for each element left, so
/// that both compute alike.
template <typename F>
HWY_INLINE void each_vector(std::int64_t count, F&& f) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) f(Floats(), i);
  for (; i < count; ++i) f(hn::CappedTag<float, 1>(), i);
}

void add_scaled(const float* HWY_RESTRICT src, float scale, float* HWY_RESTRICT dst,
                std::int64_t count) {
  each_vector(count, [&](auto d, std::int64_t i) HWY_ATTR {
    hn::StoreU(hn::MulAdd(hn::Set(d, scale), hn::LoadU(d, src + i), hn::LoadU(d, dst + i)), d,
               dst + i);
  });
}

void multiply_by(const float* HWY_RESTRICT src, float* HWY_RESTRICT dst, std::int64_t count) {
  each_vector(count, [&](auto d, std::int64_t i) HWY_ATTR {
    hn::StoreU(hn::Mul(hn::LoadU(d, src + i), hn::LoadU(d, dst + i)), d, dst + i);
  });
}

void blend_scaled(const float* HWY_RESTRICT src, float scale, const float* HWY_RESTRICT ratio,
                  bool one_ratio, float blend, float* HWY_RESTRICT dst, std::int64_t count) {
  each_vector(count, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto before = hn::LoadU(d, dst + i);
    const auto merged = hn::MulAdd(hn::Set(d, scale), hn::LoadU(d, src + i), before);
    const auto factor = one_ratio ? hn::Set(d, ratio[0]) : hn::LoadU(d, ratio + i);
    const auto change = hn::MulSub(factor, merged, before);
    hn::StoreU(hn::MulAdd(hn::Set(d, blend), change, before), d, dst + i);
  });
}

void add_squares(const float* HWY_RESTRICT row, double* HWY_RESTRICT sums, std::int64_t count) {
  const hn::CappedTag<double, 8> d;
  const hn::Rebind<float, decltype(d)> narrow;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto value = hn::PromoteTo(d, hn::LoadU(narrow, row + i));
    hn::StoreU(hn::Add(hn::LoadU(d, sums + i), hn::Mul(value, value)), d, sums + i);
  }
  for (; i < count; ++i) sums[i] += static_cast<double>(row[i]) * static_cast<double>(row[i]);
}

}  // namespace semblance::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace semblance {
namespace {

HWY_EXPORT(load_panel_f32);
HWY_EXPORT(load_panel_f16);
HWY_EXPORT(load_panel_bf16);
HWY_EXPORT(multiply_panel);
HWY_EXPORT(add_scaled);
HWY_EXPORT(multiply_by);
HWY_EXPORT(blend_scaled);
HWY_EXPORT(add_squares);

}  // namespace

void load_panel(DType dtype, const std::byte* src, std::int64_t stride_bytes, std::int64_t depth,
                std::int64_t columns, float* panel) {
  switch (dtype) {
    case DType::kF16:
      return HWY_DYNAMIC_DISPATCH(load_panel_f16)(src, stride_bytes, depth, columns, panel);
    case DType::kBF16:
      return HWY_DYNAMIC_DISPATCH(load_panel_bf16)(src, stride_bytes, depth, columns, panel);
    default:
      return HWY_DYNAMIC_DISPATCH(load_panel_f32)(src, stride_bytes, depth, columns, panel);
  }
}

void multiply_panel(const float* a, std::int64_t a_stride, std::int64_t rows, const float* panel,
                    std::int64_t depth, bool adds, float* dst, std::int64_t dst_stride) {
  HWY_DYNAMIC_DISPATCH(multiply_panel)(a, a_stride, rows, panel, depth, adds, dst, dst_stride);
}

void add_scaled(const float* src, float scale, float* dst, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(add_scaled)(src, scale, dst, count);
}

void multiply_by(const float* src, float* dst, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(multiply_by)(src, dst, count);
}

void blend_scaled(const float* src, float scale, const float* ratio, bool one_ratio, float blend,
                  float* dst, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(blend_scaled)(src, scale, ratio, one_ratio, blend, dst, count);
}

void add_squares(const float* row, double* sums, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(add_squares)(row, sums, count);
}

}  // namespace semblance
#endif
