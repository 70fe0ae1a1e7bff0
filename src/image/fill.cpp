#include "image/fill.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"

namespace semblance {
namespace {

constexpr int kChannels = 4;

/// Four bytes per pixel, row-major [h,w,4].
struct Pixels {
  explicit Pixels(Size size_)
      : size(size_),
        buffer(kChannels * static_cast<std::size_t>(size.w) * static_cast<std::size_t>(size.h),
               Tag::kImage) {}

  std::span<std::uint8_t> values() { return buffer.as<std::uint8_t>(); }
  std::span<const std::uint8_t> values() const { return buffer.as<std::uint8_t>(); }
  std::size_t stride() const { return kChannels * static_cast<std::size_t>(size.w); }

  Size size;
  Buffer buffer;
};

/// a / 255, rounded as Pillow does.
int over_255(int a) {
  const int rounded = a + 128;
  return ((rounded >> 8) + rounded) >> 8;
}

/// The picture with its alpha multiplied in: 0 where the mask is 255.
Pixels unmasked(const Image& picture, const Mask& mask) {
  Pixels pixels(picture.size());
  const std::size_t count = mask.values().size();
  for (std::size_t i = 0; i < count; ++i) {
    const int kept = 255 - mask.values()[i];
    std::uint8_t* const to = &pixels.values()[kChannels * i];
    for (std::size_t c = 0; c < 3; ++c)
      to[c] = static_cast<std::uint8_t>(over_255(picture.pixels()[3 * i + c] * kept));
    to[3] = static_cast<std::uint8_t>(over_255(255 * kept));
  }
  return pixels;
}

/// A box of 2 radius + 1 values, whose outermost two count by a fraction.
struct Box {
  int radius = 0;
  std::uint32_t inner = 0;  // weights of 24 bits
  std::uint32_t outer = 0;
};

constexpr int kPasses = 3;

/// Three passes of it are nearly a Gaussian (Gwosdek et al., "Theoretical Foundations of Gaussian
/// Convolution by Extended Box Filtering").
Box box_of(float sigma) {
  const float variance = sigma * sigma / kPasses;
  const auto length = static_cast<float>(std::sqrt(12.0 * variance + 1.0));
  const auto whole = static_cast<float>(std::floor((length - 1.0) / 2.0));
  float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
  part /= 6 * (variance - (whole + 1) * (whole + 1));
  const float radius = whole + part;
  constexpr std::uint32_t kOne = 1U << 24U;
  Box box{.radius = static_cast<int>(radius)};
  box.inner = static_cast<std::uint32_t>(static_cast<float>(kOne) / (radius * 2 + 1));
  box.outer = (kOne - static_cast<std::uint32_t>(box.radius * 2 + 1) * box.inner) / 2;
  return box;
}

using Sums = std::array<std::uint32_t, kChannels>;

/// One pass over a line of `count` pixels that lie `step` bytes apart. Beyond its ends the line
/// goes on with its last pixels.
void blur_line(const std::uint8_t* from, std::size_t from_step, std::uint8_t* to,
               std::size_t to_step, int count, const Box& box) {
  const auto at = [&](int i) {
    return from + from_step * static_cast<std::size_t>(std::clamp(i, 0, count - 1));
  };
  Sums sums{};
  for (int i = -box.radius - 1; i < box.radius; ++i) {
    for (std::size_t c = 0; c < kChannels; ++c) sums[c] += at(i)[c];
  }
  for (int x = 0; x < count; ++x) {
    const std::uint8_t *const gone = at(x - box.radius - 1), *const next = at(x + box.radius);
    const std::uint8_t* const after = at(x + box.radius + 1);
    std::uint8_t* const out = to + to_step * static_cast<std::size_t>(x);
    for (std::size_t c = 0; c < kChannels; ++c) {
      sums[c] += next[c];
      sums[c] -= gone[c];
      const std::uint32_t outer = gone[c] + std::uint32_t{after[c]};
      out[c] =
          static_cast<std::uint8_t>((sums[c] * box.inner + outer * box.outer + (1U << 23U)) >> 24U);
    }
  }
}

/// Blurs in place: all passes along one line, then the next line; rows, then columns.
void blur_lines(Pixels& pixels, const Box& box, bool rows) {
  const int count = rows ? pixels.size.w : pixels.size.h;
  const int lines = rows ? pixels.size.h : pixels.size.w;
  const std::size_t step = rows ? kChannels : pixels.stride();
  const std::size_t between = rows ? pixels.stride() : kChannels;
  const std::size_t bytes = kChannels * static_cast<std::size_t>(count);
  const Buffer scratch(2 * bytes * static_cast<std::size_t>(threads()), Tag::kImage);
  parallel_ranges(lines, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
    std::uint8_t* const first =
        scratch.as<std::uint8_t>().data() + 2 * bytes * static_cast<std::size_t>(worker);
    std::uint8_t* const second = first + bytes;
    for (std::int64_t i = begin; i < end; ++i) {
      std::uint8_t* const line = &pixels.values()[between * static_cast<std::size_t>(i)];
      blur_line(line, step, first, kChannels, count, box);
      blur_line(first, kChannels, second, kChannels, count, box);
      blur_line(second, kChannels, line, step, count, box);
    }
  });
}

/// Lays a pixel whose alpha is multiplied in over one whose is not, `times` times.
void lay_over(std::uint8_t* below, const std::uint8_t* blurred, int times) {
  std::array<std::uint32_t, kChannels> above{};
  const std::uint32_t alpha = above[3] = blurred[3];
  if (alpha == 0) return;
  for (std::size_t c = 0; c < 3; ++c) {
    above[c] = alpha == 255 ? blurred[c] : std::min<std::uint32_t>(255U * blurred[c] / alpha, 255U);
  }
  for (int i = 0; i < times; ++i) {
    // Fixed point as in Pillow's AlphaComposite.c: 7 more bits.
    constexpr unsigned kBits = 7;
    const std::uint32_t mixed = alpha * 255 + below[3] * (255 - alpha);
    const std::uint32_t part = alpha * 255 * 255 * (1U << kBits) / mixed;
    const std::uint32_t rest = 255 * (1U << kBits) - part;
    const auto scaled = [](std::uint32_t value) { return ((value >> 8U) + value) >> 8U; };
    for (std::size_t c = 0; c < 3; ++c) {
      const std::uint32_t value = above[c] * part + below[c] * rest + (0x80U << kBits);
      below[c] = static_cast<std::uint8_t>(scaled(value) >> kBits);
    }
    below[3] = static_cast<std::uint8_t>(scaled(mixed + 0x80U));
  }
}

}  // namespace

std::uint64_t fill_bytes(Size size) {
  const auto pixels = [](std::int64_t count) {
    return kChannels * static_cast<std::uint64_t>(count);
  };
  return 3 * pixels(std::int64_t{size.w} * size.h) +
         2 * pixels(std::int64_t{std::max(size.w, size.h)} * threads());
}

void fill_masked(Image& picture, const Mask& mask) {
  SEMBLANCE_ASSERT(mask.size() == picture.size());
  struct Layer {
    float sigma;
    int times;
  };
  constexpr std::array<Layer, 6> kLayers{{{256, 1}, {64, 1}, {16, 2}, {4, 4}, {2, 2}, {0, 1}}};
  const Pixels kept = unmasked(picture, mask);
  Pixels filled(picture.size());
  std::ranges::fill(filled.values(), std::uint8_t{0});
  Pixels blurred(picture.size());
  for (const Layer& layer : kLayers) {
    std::ranges::copy(kept.values(), blurred.values().begin());
    if (layer.sigma > 0) {
      const Box box = box_of(layer.sigma);
      blur_lines(blurred, box, true);
      blur_lines(blurred, box, false);
    }
    for (std::size_t i = 0; i < mask.values().size(); ++i) {
      const std::size_t at = kChannels * i;
      lay_over(&filled.values()[at], &blurred.values()[at], layer.times);
    }
  }
  bool has_any = false;
  for (std::size_t i = 0; i < mask.values().size() && !has_any; ++i)
    has_any = filled.values()[kChannels * i + 3] > 0;
  if (!has_any) return;
  for (std::size_t i = 0; i < mask.values().size(); ++i)
    std::copy_n(&filled.values()[kChannels * i], 3, &picture.pixels()[3 * i]);
}

}  // namespace semblance
