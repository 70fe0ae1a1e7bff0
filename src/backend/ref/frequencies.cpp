// The filtered picture is x + (scale - 1) P(x), where P projects on the waves of the four
// frequencies. The real part of a wave's share is a cosine's and a sine's; at frequency 0 only the
// cosine, which is 1, remains.
#include <array>
#include <cmath>
#include <numbers>

#include "backend/ref/run.h"

namespace semblance::reference {
namespace {

constexpr std::int64_t kWaves = 7;

/// The waves' values at a pixel: 1, and the cosine and sine of frequencies (0,-1), (-1,0), (-1,-1).
std::array<double, kWaves> waves(std::int64_t y, std::int64_t x, std::int64_t h, std::int64_t w) {
  const double down = 2 * std::numbers::pi * static_cast<double>(y) / static_cast<double>(h);
  const double right = 2 * std::numbers::pi * static_cast<double>(x) / static_cast<double>(w);
  return {1,
          std::cos(right),
          std::sin(right),
          std::cos(down),
          std::sin(down),
          std::cos(down + right),
          std::sin(down + right)};
}

/// Frequencies -1 and 0 are one in a direction of one pixel, so that they are scaled once.
bool is_one_of_two(std::int64_t wave, std::int64_t h, std::int64_t w) {
  const bool moves_right = wave == 1 || wave == 2 || wave >= 5;
  const bool moves_down = wave >= 3;
  return (moves_right && w == 1) || (moves_down && h == 1);
}

}  // namespace

std::size_t frequencies_scratch_bytes(const Shape& x) {
  return static_cast<std::size_t>(x[0] * kWaves * x[3]) * sizeof(double);
}

void run(const ScaleLowFrequencies& op, const Run& r) {
  const Shape& shape = r.shape(0);
  const std::int64_t h = shape[1], w = shape[2], c = shape[3];
  const Floats x = r.floats(0);
  auto* sums = reinterpret_cast<double*>(r.call.scratch);

  parallel_for(shape[0] * kWaves, [&](std::int64_t item) {
    const std::int64_t picture = item / kWaves, wave = item % kWaves;
    double* sum = sums + item * c;
    std::fill_n(sum, c, 0.0);
    if (is_one_of_two(wave, h, w)) return;
    for (std::int64_t pixel = 0; pixel < h * w; ++pixel) {
      const double value = waves(pixel / w, pixel % w, h, w)[static_cast<std::size_t>(wave)];
      const std::int64_t first = (picture * h * w + pixel) * c;
      for (std::int64_t i = 0; i < c; ++i) sum[i] += value * static_cast<double>(x[first + i]);
    }
  });
  const double factor =
      (static_cast<double>(op.scale) - 1) / static_cast<double>(std::max<std::int64_t>(1, h * w));
  parallel_for(shape[0] * h * w, [&](std::int64_t item) {
    const double* sum = sums + item / (h * w) * kWaves * c;
    const std::array<double, kWaves> values = waves(item % (h * w) / w, item % w, h, w);
    for (std::int64_t i = 0; i < c; ++i) {
      double share = 0;
      for (std::int64_t wave = 0; wave < kWaves; ++wave)
        share += values[static_cast<std::size_t>(wave)] * sum[wave * c + i];
      const std::int64_t index = item * c + i;
      r.result().set(index, static_cast<double>(x[index]) + factor * share);
    }
  });
}

}  // namespace semblance::reference
