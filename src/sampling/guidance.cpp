#include "sampling/guidance.h"

#include <array>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace semblance {
namespace {

/// The sum of distances to `centre`, or of their squares. Eight partial sums let the compiler
/// vectorise the loop and fix the order of additions on every processor.
template <bool kSquares>
double sum_of_distances(std::span<const float> values, double centre) {
  constexpr std::size_t kLanes = 8;
  std::array<double, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double distance = static_cast<double>(values[i + lane]) - centre;
      sums[lane] += kSquares ? distance * distance : distance;
    }
  }
  for (; i < values.size(); ++i) {
    const double distance = static_cast<double>(values[i]) - centre;
    sums[i % kLanes] += kSquares ? distance * distance : distance;
  }
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

/// torch.std: divides by n - 1.
float deviation(std::span<const float> values) {
  const auto count = static_cast<double>(values.size());
  const double mean = sum_of_distances<false>(values, 0) / count;
  return static_cast<float>(std::sqrt(sum_of_distances<true>(values, mean) / (count - 1)));
}

}  // namespace

void guide(std::span<const float> uncond, std::span<const float> cond, float guidance,
           std::span<float> dst) {
  SEMBLANCE_ASSERT(uncond.size() == dst.size() && cond.size() == dst.size());
  for (std::size_t i = 0; i < dst.size(); ++i)
    dst[i] = uncond[i] + guidance * (cond[i] - uncond[i]);
}

void guide_from_perturbed(std::span<const float> cond, std::span<const float> perturbed,
                          float scale, std::span<float> guided) {
  SEMBLANCE_ASSERT(cond.size() == perturbed.size() && cond.size() == guided.size());
  for (std::size_t i = 0; i < guided.size(); ++i) guided[i] += scale * (cond[i] - perturbed[i]);
}

void rescale_guided(std::span<const float> cond, float share, std::span<float> guided) {
  SEMBLANCE_ASSERT(cond.size() == guided.size());
  if (share == 0 || guided.size() < 2) return;
  const float own = deviation(guided);
  if (!(own > 0)) return;
  const float scale = deviation(cond) / own;
  const float rest = static_cast<float>(1 - static_cast<double>(share));
  for (float& value : guided) value = share * (value * scale) + rest * value;
}

}  // namespace semblance
