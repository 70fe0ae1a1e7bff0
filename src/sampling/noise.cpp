#include "sampling/noise.h"

#include <array>
#include <bit>
#include <cmath>
#include <initializer_list>
#include <numbers>

#include "core/error.h"

namespace semblance {
namespace {

constexpr std::size_t kBlock = 16;

float polynomial(float x, std::initializer_list<float> coefficients) {
  float y = 0;
  bool first = true;
  for (const float coefficient : coefficients) {
    y = first ? coefficient : std::fma(y, x, coefficient);
    first = false;
  }
  return y;
}

// Natural logarithm of x in [2^-24, 1]: Cephes' logf. The order of operations determines the last
// bits.
float log_of(float x) {
  constexpr float kHalfSqrt = 0.707106781186547524F;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  float exponent = static_cast<float>(static_cast<std::int32_t>(bits >> 23) - 126);
  const float mantissa = std::bit_cast<float>((bits & 0x007fffffU) | 0x3f000000U);  // [0.5, 1)
  float m = mantissa - 1.0F;
  if (mantissa < kHalfSqrt) {
    exponent -= 1.0F;
    m += mantissa;
  }
  const float square = m * m;
  float y = polynomial(m, {7.0376836292e-2F, -1.1514610310e-1F, 1.1676998740e-1F, -1.2420140846e-1F,
                           1.4249322787e-1F, -1.6668057665e-1F, 2.0000714765e-1F, -2.4999993993e-1F,
                           3.3333331174e-1F});
  y = std::fma(y * m, square, exponent * -2.12194440e-4F);
  y = std::fma(-square, 0.5F, y);
  return std::fma(exponent, 0.693359375F, m + y);
}

struct SineCosine {
  float sine;
  float cosine;
};

// Sine and cosine of an angle in [0, 2 pi]: Cephes' sinf and cosf, by octants.
SineCosine sine_cosine(float angle) {
  const int octant = (static_cast<int>(angle * 1.27323954473516F) + 1) & ~1;
  const auto turns = static_cast<float>(octant);
  float x = std::fma(turns, -0.78515625F, angle);  // pi / 4 in three parts
  x = std::fma(turns, -2.4187564849853515625e-4F, x);
  x = std::fma(turns, -3.77489497744594108e-8F, x);
  const float z = x * x;
  const float c =
      polynomial(z, {2.443315711809948e-5F, -1.388731625493765e-3F, 4.166664568298827e-2F});
  const float even = std::fma(c * z, z, -(z * 0.5F)) + 1.0F;
  const float s = polynomial(z, {-1.9515295891e-4F, 8.3321608736e-3F, -1.6666654611e-1F});
  const float odd = std::fma(s * z, x, x);
  const bool swapped = (octant & 2) != 0;
  const float sine = swapped ? even : odd;
  const float cosine = swapped ? odd : even;
  return {(octant & 4) != 0 ? -sine : sine, ((octant - 2) & 4) == 0 ? -cosine : cosine};
}

// Turns sixteen uniform numbers into normal ones (Box-Muller): the first eight give the radii, the
// last eight the angles.
void normal_block(std::span<float, kBlock> block) {
  constexpr std::size_t kHalf = kBlock / 2;
  for (std::size_t i = 0; i < kHalf; ++i) {
    const float radius = std::sqrt(-2.0F * log_of(1.0F - block[i]));
    const auto [sine, cosine] =
        sine_cosine(static_cast<float>(2 * std::numbers::pi) * block[i + kHalf]);
    block[i] = radius * cosine;
    block[i + kHalf] = radius * sine;
  }
}

}  // namespace

NoiseGenerator::NoiseGenerator(std::uint64_t seed) : engine_(static_cast<std::uint32_t>(seed)) {}

float NoiseGenerator::uniform() { return static_cast<float>(engine_() & 0xffffffU) * 0x1p-24F; }

void NoiseGenerator::rand(std::span<float> dst) {
  for (float& value : dst) value = uniform();
}

double NoiseGenerator::uniform_double() {
  const std::uint64_t high = engine_();
  const std::uint64_t low = engine_();
  constexpr std::uint64_t kMask = (std::uint64_t{1} << 53) - 1;
  return static_cast<double>((high << 32 | low) & kMask) * 0x1p-53;
}

double NoiseGenerator::normal_double() {
  if (kept_) {
    const double value = *kept_;
    kept_.reset();
    return value;
  }
  const double angle = 2 * std::numbers::pi * uniform_double();
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform_double()));
  kept_ = radius * std::sin(angle);
  return radius * std::cos(angle);
}

void NoiseGenerator::randn(std::span<float> dst, std::size_t begin, std::size_t total) {
  SEMBLANCE_ASSERT(begin <= total && dst.size() <= total - begin);
  const auto place = [&](std::size_t index, float value) {
    if (index >= begin && index - begin < dst.size()) dst[index - begin] = value;
  };
  if (total < kBlock) {
    for (std::size_t i = 0; i < total; ++i) place(i, static_cast<float>(normal_double()));
    return;
  }
  std::array<float, kBlock> block;
  const auto draw = [&](std::size_t first) {
    for (float& value : block) value = uniform();
    if (first + kBlock <= begin || first >= begin + dst.size()) return;
    normal_block(block);
    for (std::size_t i = 0; i < kBlock; ++i) place(first + i, block[i]);
  };
  std::size_t done = 0;
  for (; done + kBlock <= total; done += kBlock) draw(done);
  if (done == total) return;
  // torch draws the last, partial block, then redraws the last 16 numbers.
  for (; done < total; ++done) uniform();
  draw(total - kBlock);
}

}  // namespace semblance
