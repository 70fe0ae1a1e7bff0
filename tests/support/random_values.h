#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace semblance::testing {

/// Normally distributed values, deterministic for a seed.
inline std::vector<float> random_values(std::int64_t count, unsigned seed, float scale = 1.0F) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(engine);
  return values;
}

}  // namespace semblance::testing
