// Latents are [c,h,w] in noise and schedulers, as in torch, and [h,w,c] in graphs.
#pragma once

#include <cstddef>
#include <span>

namespace semblance {

/// src [c,pixels] -> dst [pixels,c].
inline void channels_last(std::span<const float> src, std::size_t c, std::span<float> dst) {
  const std::size_t pixels = src.size() / c;
  for (std::size_t i = 0; i < pixels; ++i) {
    for (std::size_t j = 0; j < c; ++j) dst[i * c + j] = src[j * pixels + i];
  }
}

/// src [pixels,c] -> dst [c,pixels].
inline void channels_first(std::span<const float> src, std::size_t c, std::span<float> dst) {
  const std::size_t pixels = src.size() / c;
  for (std::size_t i = 0; i < pixels; ++i) {
    for (std::size_t j = 0; j < c; ++j) dst[j * pixels + i] = src[i * c + j];
  }
}

}  // namespace semblance
