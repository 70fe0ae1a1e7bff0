#include "core/convert.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/dequantize.h"
#include "core/error.h"
#include "core/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/convert.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace semblance::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void f16_array_to_f32(const std::uint16_t* src, float* dst, std::size_t count) {
  const hn::ScalableTag<float> df;
  const hn::Rebind<hwy::float16_t, decltype(df)> dh;
  const hn::Rebind<std::uint16_t, decltype(df)> du;
  std::size_t i = 0;
  for (; i + hn::Lanes(df) <= count; i += hn::Lanes(df)) {
    hn::StoreU(hn::PromoteTo(df, hn::BitCast(dh, hn::LoadU(du, src + i))), df, dst + i);
  }
  for (; i < count; ++i) dst[i] = f16_to_f32(src[i]);
}

void bf16_array_to_f32(const std::uint16_t* src, float* dst, std::size_t count) {
  const hn::ScalableTag<float> df;
  const hn::RebindToUnsigned<decltype(df)> du;
  const hn::Rebind<std::uint16_t, decltype(df)> dh;
  std::size_t i = 0;
  for (; i + hn::Lanes(df) <= count; i += hn::Lanes(df)) {
    hn::StoreU(hn::BitCast(df, hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(dh, src + i)))), df,
               dst + i);
  }
  for (; i < count; ++i) dst[i] = bf16_to_f32(src[i]);
}

void f32_array_to_bf16(const float* src, std::uint16_t* dst, std::size_t count) {
  const hn::ScalableTag<float> df;
  const hn::RebindToUnsigned<decltype(df)> du;
  const hn::Rebind<std::uint16_t, decltype(df)> dh;
  std::size_t i = 0;
  for (; i + hn::Lanes(df) <= count; i += hn::Lanes(df)) {
    const auto value = hn::LoadU(df, src + i);
    const auto bits = hn::BitCast(du, value);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
    const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fff))));
    const auto nan = hn::Or(hn::ShiftRight<16>(bits), hn::Set(du, 0x40));
    const auto is_nan = hn::RebindMask(du, hn::IsNaN(value));
    hn::StoreU(hn::TruncateTo(dh, hn::IfThenElse(is_nan, nan, rounded)), dh, dst + i);
  }
  for (; i < count; ++i) dst[i] = f32_to_bf16(src[i]);
}

}  // namespace semblance::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace semblance {
namespace {

HWY_EXPORT(f16_array_to_f32);
HWY_EXPORT(bf16_array_to_f32);
HWY_EXPORT(f32_array_to_bf16);

template <typename T>
void each_to_f32(std::span<const std::byte> src, std::span<float> dst) {
  for (std::size_t i = 0; i < dst.size(); ++i) {
    T value;
    std::memcpy(&value, src.data() + i * sizeof(T), sizeof(T));
    dst[i] = static_cast<float>(value);
  }
}

/// A range that begins or ends inside a block goes through a copy of that block's values.
void blocks_to_f32(DType dtype, std::span<const std::byte> src, std::span<float> dst,
                   std::size_t first) {
  const StoredBlock block = block_of(dtype);
  const auto elements = static_cast<std::size_t>(block.elements);
  SEMBLANCE_ASSERT(first < elements &&
                   src.size() == (first + dst.size() + elements - 1) / elements * block.bytes);
  std::array<float, 256> copy;
  SEMBLANCE_ASSERT(elements <= copy.size());
  while (!dst.empty()) {
    if (first == 0 && dst.size() >= elements) {
      const std::size_t blocks = dst.size() / elements;
      dequantize(dtype, src.first(blocks * block.bytes), dst.first(blocks * elements));
      src = src.subspan(blocks * block.bytes);
      dst = dst.subspan(blocks * elements);
      continue;
    }
    dequantize(dtype, src.first(block.bytes), std::span(copy).first(elements));
    const std::size_t count = std::min(dst.size(), elements - first);
    std::copy_n(copy.begin() + static_cast<std::ptrdiff_t>(first), count, dst.begin());
    src = src.subspan(block.bytes);
    dst = dst.subspan(count);
    first = 0;
  }
}

}  // namespace

void to_f32(DType dtype, std::span<const std::byte> src, std::span<float> dst, std::int64_t first) {
  if (dst.empty()) return;  // an empty span may be null, which memcpy does not allow
  if (is_in_blocks(dtype)) return blocks_to_f32(dtype, src, dst, static_cast<std::size_t>(first));
  SEMBLANCE_ASSERT(src.size() == dst.size() * size_of(dtype) && first == 0);
  const auto* halves = reinterpret_cast<const std::uint16_t*>(src.data());
  switch (dtype) {
    case DType::kF32:
      std::memcpy(dst.data(), src.data(), src.size());
      return;
    case DType::kF16:
      HWY_DYNAMIC_DISPATCH(f16_array_to_f32)(halves, dst.data(), dst.size());
      return;
    case DType::kBF16:
      HWY_DYNAMIC_DISPATCH(bf16_array_to_f32)(halves, dst.data(), dst.size());
      return;
    case DType::kF64:
      return each_to_f32<double>(src, dst);
    case DType::kI64:
      return each_to_f32<std::int64_t>(src, dst);
    case DType::kI32:
      return each_to_f32<std::int32_t>(src, dst);
    case DType::kI16:
      return each_to_f32<std::int16_t>(src, dst);
    case DType::kI8:
      return each_to_f32<std::int8_t>(src, dst);
    case DType::kU8:
    case DType::kBool:
      return each_to_f32<std::uint8_t>(src, dst);
    case DType::kF8E4M3:
    case DType::kF8E5M2:
      return f8_to_f32(dtype, src, dst);
    default:
      fail_in_blocks(dtype);
  }
}

void from_f32(std::span<const float> src, DType dtype, std::span<std::byte> dst) {
  SEMBLANCE_ASSERT(dst.size() == src.size() * size_of(dtype));
  if (src.empty()) return;
  auto* halves = reinterpret_cast<std::uint16_t*>(dst.data());
  switch (dtype) {
    case DType::kF32:
      std::memcpy(dst.data(), src.data(), dst.size());
      return;
    case DType::kBF16:
      HWY_DYNAMIC_DISPATCH(f32_array_to_bf16)(src.data(), halves, src.size());
      return;
    case DType::kF16:
      for (std::size_t i = 0; i < src.size(); ++i) halves[i] = f32_to_f16(src[i]);
      return;
    default:
      fail(ErrorKind::kInternal, "cannot convert f32 to {}", name_of(dtype));
  }
}

}  // namespace semblance
#endif
