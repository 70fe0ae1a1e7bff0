// Similarity of two pictures.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

#include "core/error.h"

namespace semblance {

/// Peak signal-to-noise ratio in dB of two 8-bit pictures of the same size: 10 log10(255^2 / mean
/// squared difference) over all channels. Infinity for equal pictures.
inline double psnr(std::span<const std::uint8_t> got, std::span<const std::uint8_t> want) {
  SEMBLANCE_ASSERT(got.size() == want.size() && !got.empty());
  double sum = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = static_cast<double>(got[i]) - static_cast<double>(want[i]);
    sum += difference * difference;
  }
  if (sum == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(255.0 * 255.0 * static_cast<double>(got.size()) / sum);
}

}  // namespace semblance
