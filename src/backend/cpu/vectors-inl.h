// Vectors of floats for the kernels: loads and stores that convert bf16, transposition, and the
// functions that activations and softmax need. Compiled once per instruction set; include it after
// hwy/highway.h, outside namespaces.
//
// The polynomials are minimax fits made for this file (Lawson's iteration on Chebyshev points,
// weighted as the comments say).
#include <cstdint>
#include <cstring>

#if defined(SEMBLANCE_BACKEND_CPU_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SEMBLANCE_BACKEND_CPU_VECTORS_INL_H_
#undef SEMBLANCE_BACKEND_CPU_VECTORS_INL_H_
#else
#define SEMBLANCE_BACKEND_CPU_VECTORS_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace semblance::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// 16, 8 or 4 floats.
using Floats = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Floats>;
using Words = hn::RebindToUnsigned<Floats>;
constexpr std::int64_t kMaxLanes = 16;
/// lanes() as a constant, for array sizes: no target here has vectors of unknown length.
constexpr std::int64_t kFixedLanes =
    HWY_TARGET == HWY_SCALAR ? 1 : (HWY_MAX_BYTES >= 64 ? 16 : HWY_MAX_BYTES / 4);

HWY_INLINE std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(Floats())); }

// Elements in memory: float, or bf16 as its bits.
HWY_INLINE Vector load(const float* src) { return hn::LoadU(Floats(), src); }
HWY_INLINE Vector load(const std::uint16_t* src) {
  const hn::Rebind<std::uint16_t, Floats> halves;
  return hn::BitCast(Floats(), hn::ShiftLeft<16>(hn::PromoteTo(Words(), hn::LoadU(halves, src))));
}

/// Bits of f32 whose upper half is the nearest bf16 (even on ties; NaN stays NaN).
HWY_INLINE hn::Vec<Words> rounded_to_bf16(Vector value) {
  const Words words;
  const auto bits = hn::BitCast(words, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(words, 1));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(words, 0x7fff)));
  const auto is_nan = hn::RebindMask(words, hn::IsNaN(value));
  return hn::IfThenElse(is_nan, hn::Or(bits, hn::Set(words, 0x400000)), rounded);
}

HWY_INLINE void store(Vector value, float* dst) { hn::StoreU(value, Floats(), dst); }
HWY_INLINE void store(Vector value, std::uint16_t* dst) {
  const hn::Rebind<std::uint16_t, Floats> halves;
  hn::StoreU(hn::TruncateTo(halves, hn::ShiftRight<16>(rounded_to_bf16(value))), halves, dst);
}

/// The first `count` elements, fewer than lanes; the rest are zero.
template <typename T>
HWY_INLINE Vector load_part(const T* src, std::int64_t count) {
  T buffer[kMaxLanes] = {};
  std::memcpy(buffer, src, static_cast<std::size_t>(count) * sizeof(T));
  return load(buffer);
}
template <typename T>
HWY_INLINE void store_part(Vector value, T* dst, std::int64_t count) {
  T buffer[kMaxLanes];
  store(value, buffer);
  std::memcpy(dst, buffer, static_cast<std::size_t>(count) * sizeof(T));
}

// Four adjacent columns of every fourth row that transpose() reads: rows 0, 4, 8 and 12 side by
// side.
#if HWY_MAX_BYTES >= 64
HWY_INLINE Vector four_columns(const float* src, std::int64_t stride) {
  const hn::CappedTag<float, 4> d4;
  const hn::CappedTag<float, 8> d8;
  return hn::Combine(
      Floats(), hn::Combine(d8, hn::LoadU(d4, src + 12 * stride), hn::LoadU(d4, src + 8 * stride)),
      hn::Combine(d8, hn::LoadU(d4, src + 4 * stride), hn::LoadU(d4, src)));
}
#elif HWY_MAX_BYTES >= 32
HWY_INLINE Vector four_columns(const float* src, std::int64_t stride) {
  const hn::CappedTag<float, 4> d4;
  return hn::Combine(Floats(), hn::LoadU(d4, src + 4 * stride), hn::LoadU(d4, src));
}
#elif HWY_TARGET != HWY_SCALAR
HWY_INLINE Vector four_columns(const float* src, std::int64_t) { return hn::LoadU(Floats(), src); }
#endif

/// Transposes: dst[column * dst_stride + row] = src[row * src_stride + column] for lanes() rows,
/// with zeros from row `rows` on.
HWY_INLINE void transpose(const float* HWY_RESTRICT src, std::int64_t src_stride, std::int64_t rows,
                          std::int64_t columns, float* HWY_RESTRICT dst, std::int64_t dst_stride) {
  std::int64_t j = 0;
  if (rows < lanes()) {
    for (; j < columns; ++j) {
      for (std::int64_t row = 0; row < lanes(); ++row) {
        dst[j * dst_stride + row] = row < rows ? src[row * src_stride + j] : 0.0F;
      }
    }
    return;
  }
#if HWY_TARGET != HWY_SCALAR
  const Floats d;
  const hn::Repartition<double, Floats> dd;
  for (; j + 4 <= columns; j += 4) {
    const Vector a = four_columns(src + j, src_stride);
    const Vector b = four_columns(src + src_stride + j, src_stride);
    const Vector c = four_columns(src + 2 * src_stride + j, src_stride);
    const Vector e = four_columns(src + 3 * src_stride + j, src_stride);
    const auto ab_low = hn::BitCast(dd, hn::InterleaveLower(d, a, b));
    const auto ab_high = hn::BitCast(dd, hn::InterleaveUpper(d, a, b));
    const auto ce_low = hn::BitCast(dd, hn::InterleaveLower(d, c, e));
    const auto ce_high = hn::BitCast(dd, hn::InterleaveUpper(d, c, e));
    float* out = dst + j * dst_stride;
    store(hn::BitCast(d, hn::InterleaveLower(dd, ab_low, ce_low)), out);
    store(hn::BitCast(d, hn::InterleaveUpper(dd, ab_low, ce_low)), out + dst_stride);
    store(hn::BitCast(d, hn::InterleaveLower(dd, ab_high, ce_high)), out + 2 * dst_stride);
    store(hn::BitCast(d, hn::InterleaveUpper(dd, ab_high, ce_high)), out + 3 * dst_stride);
  }
#endif
  for (; j < columns; ++j) {
    for (std::int64_t row = 0; row < lanes(); ++row) {
      dst[j * dst_stride + row] = src[row * src_stride + j];
    }
  }
}

template <std::size_t kCount>
HWY_INLINE Vector polynomial(Vector x, const float (&coefficients)[kCount]) {
  const Floats d;
  Vector sum = hn::Set(d, coefficients[kCount - 1]);
  for (std::size_t i = kCount - 1; i-- > 0;) {
    sum = hn::MulAdd(sum, x, hn::Set(d, coefficients[i]));
  }
  return sum;
}

/// 2^x, to about an ulp, for x in [-126, 127]; clamped there; exactly 1 for 0; NaN stays NaN.
HWY_INLINE Vector exp2(Vector x) {
  const Floats d;
  const Words words;
  // (2^f - 1) / f on [-1/2, 1/2], relative error of 2^f 2e-9.
  constexpr float kFit[] = {0x1.62e43p-1F,  0x1.ebfbdcp-3F,  0x1.c6aee8p-5F,
                            0x1.3b2d4cp-7F, 0x1.5f3e54p-10F, 0x1.41fbbcp-13F};
  const Vector magic = hn::Set(d, 0x1.8p23F);  // leaves the nearest integer in the low bits
  const Vector clamped = hn::Max(hn::Set(d, -126.0F), hn::Min(hn::Set(d, 127.0F), x));
  const Vector shifted = hn::Add(clamped, magic);
  const Vector f = hn::Sub(clamped, hn::Sub(shifted, magic));
  const Vector fraction = hn::MulAdd(f, polynomial(f, kFit), hn::Set(d, 1.0F));
  return hn::BitCast(
      d, hn::Add(hn::BitCast(words, fraction), hn::ShiftLeft<23>(hn::BitCast(words, shifted))));
}

/// e^x, to about an ulp, for x in [-87, 88]; clamped there.
HWY_INLINE Vector exp(Vector x) {
  const Floats d;
  const Words words;
  constexpr float kFit[] = {0x1.62e43p-1F,  0x1.ebfbdcp-3F,  0x1.c6aee8p-5F,
                            0x1.3b2d4cp-7F, 0x1.5f3e54p-10F, 0x1.41fbbcp-13F};
  const Vector magic = hn::Set(d, 0x1.8p23F);
  const Vector log2_e = hn::Set(d, 1.44269504F);
  const Vector clamped = hn::Max(hn::Set(d, -87.0F), hn::Min(hn::Set(d, 88.0F), x));
  const Vector shifted = hn::MulAdd(clamped, log2_e, magic);
  const Vector n = hn::Sub(shifted, magic);
  // x - n ln 2 in two parts, then in units of ln 2.
  const Vector rest = hn::NegMulAdd(n, hn::Set(d, 1.42860677e-6F),
                                    hn::NegMulAdd(n, hn::Set(d, 0.693145752F), clamped));
  const Vector f = hn::Mul(rest, log2_e);
  const Vector fraction = hn::MulAdd(f, polynomial(f, kFit), hn::Set(d, 1.0F));
  return hn::BitCast(
      d, hn::Add(hn::BitCast(words, fraction), hn::ShiftLeft<23>(hn::BitCast(words, shifted))));
}

HWY_INLINE Vector sigmoid(Vector x) {
  const Floats d;
  const Vector one = hn::Set(d, 1.0F);
  return hn::Div(one, hn::Add(one, exp(hn::Neg(x))));
}

/// Absolute error about 1e-7; below 1 also relative.
HWY_INLINE Vector erf(Vector x) {
  const Floats d;
  // erf(x) / x - 1 by x^2 on [0, 1], 1e-9.
  constexpr float kSmall[] = {0.12837917F,   -0.37612626F,   0.112836F,    -0.026854444F,
                              0.0051895357F, -0.0008020843F, 7.889123e-05F};
  // log2(erfc(x)) on [1, 4], absolute error of erfc 2e-9. At 4 erf rounds to 1.
  constexpr float kLarge[] = {-0.00047996617F, -1.6260941F,   -0.9205744F,   -0.14881107F,
                              0.031531997F,    -0.004258659F, 0.00026946235F};
  const Vector magnitude = hn::Abs(x);
  const Vector square = hn::Mul(x, x);
  const Vector small = hn::MulAdd(x, polynomial(square, kSmall), x);
  const Vector z = hn::Min(hn::Set(d, 4.0F), magnitude);
  const Vector large = hn::Sub(hn::Set(d, 1.0F), exp2(polynomial(z, kLarge)));
  return hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 1.0F)), small, hn::CopySign(large, x));
}

/// x Phi(x).
HWY_INLINE Vector gelu(Vector x) {
  const Floats d;
  const Vector half = hn::Mul(x, hn::Set(d, 0.5F));
  return hn::MulAdd(half, erf(hn::Mul(x, hn::Set(d, 0.70710678F))), half);
}

HWY_INLINE Vector tanh(Vector x) {
  const Floats d;
  // (tanh(x) / x - 1) / x^2 by x^2 on [0, 0.39], 4e-9.
  constexpr float kSmall[] = {-0.33333284F, 0.13331491F, -0.053743497F, 0.020650582F,
                              -0.0057170405F};
  const Vector one = hn::Set(d, 1.0F);
  const Vector magnitude = hn::Abs(x);
  const Vector square = hn::Mul(x, x);
  const Vector small = hn::MulAdd(hn::Mul(x, square), polynomial(square, kSmall), x);
  const Vector e = exp(hn::Mul(hn::Set(d, -2.0F), magnitude));
  const Vector large = hn::Div(hn::Sub(one, e), hn::Add(one, e));
  return hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0.625F)), small, hn::CopySign(large, x));
}

}  // namespace semblance::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
