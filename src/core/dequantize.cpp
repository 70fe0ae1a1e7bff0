#include "core/dequantize.h"

#include <cstring>
#include <limits>

#include "core/error.h"
#include "core/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/dequantize.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace semblance::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A product of d, a scale and a stored value has at most 24 bits, so it is exact, and a fused
// multiply-add gives the same result as gguf-py's two operations.

/// At most 16 lanes, so that no vector spans two groups of values with different scales.
using Floats = hn::CappedTag<float, 16>;
using Integers = hn::RebindToSigned<Floats>;
using Words = hn::RebindToUnsigned<Floats>;
using Bytes = hn::Rebind<std::uint8_t, Floats>;
using Vector = hn::Vec<Floats>;
using WordVector = hn::Vec<Words>;

HWY_INLINE float f16_at(const std::uint8_t* src) {
  return f16_to_f32(static_cast<std::uint16_t>(src[0] | src[1] << 8));
}

HWY_INLINE WordVector bytes_at(const std::uint8_t* src) {
  return hn::PromoteTo(Words(), hn::LoadU(Bytes(), src));
}
HWY_INLINE WordVector low_nibbles(WordVector bytes) { return hn::And(bytes, hn::Set(Words(), 15)); }
HWY_INLINE WordVector high_nibbles(WordVector bytes) { return hn::ShiftRight<4>(bytes); }
/// Bit `bit` of each value as 16: the fifth bit of a number.
HWY_INLINE WordVector fifth(WordVector values, int bit) {
  return hn::ShiftLeft<4>(hn::And(hn::ShiftRightSame(values, bit), hn::Set(Words(), 1)));
}
HWY_INLINE Vector floats_of(WordVector values, std::int32_t minus) {
  const hn::Vec<Integers> numbers = hn::BitCast(Integers(), values);
  return hn::ConvertTo(Floats(), hn::Sub(numbers, hn::Set(Integers(), minus)));
}

/// Where a block's parts are, and its value: d (q - kMinus), or d q + m.
template <bool kHasMinimum, bool kHasFifthBit>
void small_block(const std::uint8_t* src, float* dst) {
  constexpr std::int32_t kMinus = kHasMinimum ? 0 : (kHasFifthBit ? 16 : 8);
  const Floats df;
  const Words dw;
  const Vector d = hn::Set(df, f16_at(src));
  const Vector m = hn::Set(df, kHasMinimum ? f16_at(src + 2) : 0.0F);
  src += kHasMinimum ? 4 : 2;
  std::uint32_t bits = 0;
  if (kHasFifthBit) {
    std::memcpy(&bits, src, 4);
    src += 4;
  }
  const auto value = [&](WordVector q) HWY_ATTR {
    const Vector x = floats_of(q, kMinus);
    return kHasMinimum ? hn::MulAdd(d, x, m) : hn::Mul(d, x);
  };
  for (std::size_t j = 0; j < 16; j += hn::Lanes(df)) {
    const WordVector bytes = bytes_at(src + j);
    WordVector low = low_nibbles(bytes), high = high_nibbles(bytes);
    if (kHasFifthBit) {
      const WordVector lanes = hn::Shr(hn::Set(dw, bits), hn::Iota(dw, static_cast<unsigned>(j)));
      low = hn::Or(low, fifth(lanes, 0));
      high = hn::Or(high, fifth(lanes, 16));
    }
    hn::StoreU(value(low), df, dst + j);
    hn::StoreU(value(high), df, dst + 16 + j);
  }
}

void q8_0_block(const std::uint8_t* src, float* dst) {
  const Floats df;
  const hn::Rebind<std::int8_t, Floats> db;
  const Vector d = hn::Set(df, f16_at(src));
  const auto* q = reinterpret_cast<const std::int8_t*>(src + 2);
  for (std::size_t j = 0; j < 32; j += hn::Lanes(df)) {
    const auto numbers = hn::PromoteTo(Integers(), hn::LoadU(db, q + j));
    hn::StoreU(hn::Mul(d, hn::ConvertTo(df, numbers)), df, dst + j);
  }
}

/// Scale and minimum of group j of 8, 6 bits each, out of 12 bytes.
HWY_INLINE void scales_of(const std::uint8_t* s, int j, float d, float m, float* scale,
                          float* minimum) {
  const int sc = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
  const int mn = j < 4 ? s[j + 4] & 63 : (s[j + 4] >> 4) | (s[j] >> 6) << 4;
  *scale = d * static_cast<float>(sc);
  *minimum = m * static_cast<float>(mn);
}

template <bool kHasFifthBit>
void k_block(const std::uint8_t* src, float* dst) {
  const Floats df;
  const float d = f16_at(src), m = f16_at(src + 2);
  const std::uint8_t* scales = src + 4;
  const std::uint8_t* fifths = src + 16;
  const std::uint8_t* q = kHasFifthBit ? src + 48 : src + 16;
  for (int pair = 0; pair < 4; ++pair, q += 32, dst += 64) {
    float scale[2], minimum[2];
    for (int i = 0; i < 2; ++i) scales_of(scales, 2 * pair + i, d, m, &scale[i], &minimum[i]);
    for (std::size_t l = 0; l < 32; l += hn::Lanes(df)) {
      const WordVector bytes = bytes_at(q + l);
      WordVector low = low_nibbles(bytes), high = high_nibbles(bytes);
      if (kHasFifthBit) {
        const WordVector bits = bytes_at(fifths + l);
        low = hn::Or(low, fifth(bits, 2 * pair));
        high = hn::Or(high, fifth(bits, 2 * pair + 1));
      }
      const auto value = [&](WordVector x, int i) HWY_ATTR {
        return hn::MulSub(hn::Set(df, scale[i]), floats_of(x, 0), hn::Set(df, minimum[i]));
      };
      hn::StoreU(value(low, 0), df, dst + l);
      hn::StoreU(value(high, 1), df, dst + 32 + l);
    }
  }
}

void q6_k_block(const std::uint8_t* src, float* dst) {
  const Floats df;
  const std::uint8_t* low = src;
  const std::uint8_t* high = src + 128;
  const auto* scales = reinterpret_cast<const std::int8_t*>(src + 192);
  const float d = f16_at(src + 208);
  for (int half = 0; half < 2; ++half, low += 64, high += 32, scales += 8, dst += 128) {
    for (std::size_t l = 0; l < 32; l += hn::Lanes(df)) {
      const WordVector first = bytes_at(low + l), second = bytes_at(low + 32 + l);
      const WordVector bits = bytes_at(high + l);
      const auto put = [&](WordVector q, int group) HWY_ATTR {
        const int two = 2 * group;  // where its upper two bits are
        const WordVector upper = hn::And(hn::ShiftRightSame(bits, two), hn::Set(Words(), 3));
        const WordVector x = hn::Or(q, hn::ShiftLeft<4>(upper));
        const std::size_t part = l / 16 + static_cast<std::size_t>(two);
        const float scale = d * static_cast<float>(scales[part]);
        hn::StoreU(hn::Mul(hn::Set(df, scale), floats_of(x, 32)), df, dst + 32 * group + l);
      };
      put(low_nibbles(first), 0);
      put(low_nibbles(second), 1);
      put(high_nibbles(first), 2);
      put(high_nibbles(second), 3);
    }
  }
}

template <void (*kOne)(const std::uint8_t*, float*)>
void each_block(StoredBlock block, const std::uint8_t* src, float* dst, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    kOne(src, dst);
    src += block.bytes;
    dst += block.elements;
  }
}

void blocks_to_f32(DType dtype, const std::uint8_t* src, float* dst, std::size_t count) {
  const StoredBlock block = block_of(dtype);
  switch (dtype) {
    case DType::kQ4_0:
      return each_block<small_block<false, false>>(block, src, dst, count);
    case DType::kQ4_1:
      return each_block<small_block<true, false>>(block, src, dst, count);
    case DType::kQ5_0:
      return each_block<small_block<false, true>>(block, src, dst, count);
    case DType::kQ5_1:
      return each_block<small_block<true, true>>(block, src, dst, count);
    case DType::kQ8_0:
      return each_block<q8_0_block>(block, src, dst, count);
    case DType::kQ4_K:
      return each_block<k_block<false>>(block, src, dst, count);
    case DType::kQ5_K:
      return each_block<k_block<true>>(block, src, dst, count);
    case DType::kQ6_K:
      return each_block<q6_k_block>(block, src, dst, count);
    default:
      fail_in_blocks(dtype);
  }
}

/// As the upper byte of an f16 it is that number.
void e5m2_array_to_f32(const std::uint8_t* src, float* dst, std::size_t count) {
  const hn::ScalableTag<float> df;
  const hn::Rebind<std::uint8_t, decltype(df)> db;
  const hn::Rebind<std::uint16_t, decltype(df)> du;
  const hn::Rebind<hwy::float16_t, decltype(df)> dh;
  std::size_t i = 0;
  for (; i + hn::Lanes(df) <= count; i += hn::Lanes(df)) {
    const auto half = hn::ShiftLeft<8>(hn::PromoteTo(du, hn::LoadU(db, src + i)));
    hn::StoreU(hn::PromoteTo(df, hn::BitCast(dh, half)), df, dst + i);
  }
  for (; i < count; ++i) dst[i] = f16_to_f32(static_cast<std::uint16_t>(src[i] << 8));
}

/// Its bits in the middle of an f16 are that number over 256, since the exponents' biases are 7
/// and 15. All ones are no number here, and would be 480.
void e4m3_array_to_f32(const std::uint8_t* src, float* dst, std::size_t count) {
  const hn::ScalableTag<float> df;
  const hn::Rebind<std::uint8_t, decltype(df)> db;
  const hn::Rebind<std::uint16_t, decltype(df)> du;
  const hn::Rebind<hwy::float16_t, decltype(df)> dh;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::size_t i = 0;
  for (; i + hn::Lanes(df) <= count; i += hn::Lanes(df)) {
    const auto bits = hn::PromoteTo(du, hn::LoadU(db, src + i));
    const auto sign = hn::ShiftLeft<8>(hn::And(bits, hn::Set(du, 0x80)));
    const auto half = hn::Or(sign, hn::ShiftLeft<7>(hn::And(bits, hn::Set(du, 0x7f))));
    const auto value = hn::Mul(hn::PromoteTo(df, hn::BitCast(dh, half)), hn::Set(df, 256.0F));
    const auto is_nan = hn::Ge(hn::Abs(value), hn::Set(df, 480.0F));
    hn::StoreU(hn::IfThenElse(is_nan, hn::Set(df, nan), value), df, dst + i);
  }
  for (; i < count; ++i) {
    const auto bits = static_cast<std::uint16_t>((src[i] & 0x80) << 8 | (src[i] & 0x7f) << 7);
    dst[i] = (src[i] & 0x7f) == 0x7f ? nan : 256.0F * f16_to_f32(bits);
  }
}

void multiply_array(float* values, std::size_t count, float factor) {
  const hn::ScalableTag<float> df;
  const auto factors = hn::Set(df, factor);
  std::size_t i = 0;
  for (; i + hn::Lanes(df) <= count; i += hn::Lanes(df))
    hn::StoreU(hn::Mul(hn::LoadU(df, values + i), factors), df, values + i);
  for (; i < count; ++i) values[i] *= factor;
}

}  // namespace semblance::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace semblance {
namespace {

HWY_EXPORT(blocks_to_f32);
HWY_EXPORT(e5m2_array_to_f32);
HWY_EXPORT(e4m3_array_to_f32);
HWY_EXPORT(multiply_array);

const std::uint8_t* octets(std::span<const std::byte> bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

}  // namespace

void dequantize(DType dtype, std::span<const std::byte> src, std::span<float> dst) {
  const StoredBlock block = block_of(dtype);
  const std::size_t count = src.size() / block.bytes;
  SEMBLANCE_ASSERT(src.size() == count * block.bytes &&
                   dst.size() == count * static_cast<std::size_t>(block.elements));
  HWY_DYNAMIC_DISPATCH(blocks_to_f32)(dtype, octets(src), dst.data(), count);
}

void f8_to_f32(DType dtype, std::span<const std::byte> src, std::span<float> dst) {
  SEMBLANCE_ASSERT(src.size() == dst.size());
  if (dtype == DType::kF8E4M3) {
    HWY_DYNAMIC_DISPATCH(e4m3_array_to_f32)(octets(src), dst.data(), dst.size());
  } else {
    SEMBLANCE_ASSERT(dtype == DType::kF8E5M2);
    HWY_DYNAMIC_DISPATCH(e5m2_array_to_f32)(octets(src), dst.data(), dst.size());
  }
}

void multiply(std::span<float> values, float factor) {
  HWY_DYNAMIC_DISPATCH(multiply_array)(values.data(), values.size(), factor);
}

}  // namespace semblance
#endif
