#include "image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "image/resize.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#ifndef SEMBLANCE_IMAGE_RESIZE_COMMON
#define SEMBLANCE_IMAGE_RESIZE_COMMON
namespace semblance::resize_detail {

constexpr int kPrecisionBits = 32 - 8 - 2;
constexpr std::int32_t kHalf = 1 << (kPrecisionBits - 1);

/// For each output position: the input positions it reads, and their weights.
struct Taps {
  int stride = 0;  // weights reserved per position
  Buffer first_and_count;
  Buffer weights;

  int first(int i) const { return first_and_count.as<std::int32_t>()[at(2 * i)]; }
  int count(int i) const { return first_and_count.as<std::int32_t>()[at(2 * i + 1)]; }
  const std::int32_t* weights_of(int i) const {
    return weights.as<std::int32_t>().data() + at(i) * at(stride);
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
};

}  // namespace semblance::resize_detail
#endif

HWY_BEFORE_NAMESPACE();
namespace semblance::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using resize_detail::kHalf;
using resize_detail::kPrecisionBits;
using resize_detail::Taps;

/// One pixel of the horizontal pass: the weighted sum of `count` three-byte pixels. Reads four
/// bytes of each, except for the last `tail` (0 or 1) pixels, where it reads three: the data ends
/// there.
#if HWY_TARGET == HWY_SCALAR
void pixel_across(const std::uint8_t* pixel, const std::int32_t* weights, int count, int,
                  std::uint8_t* dst) {
  for (int c = 0; c < 3; ++c) {
    std::int32_t sum = kHalf;
    for (int i = 0; i < count; ++i) sum += pixel[3 * i + c] * weights[i];
    dst[c] = static_cast<std::uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
  }
}
#else
HWY_INLINE void pixel_across(const std::uint8_t* pixel, const std::int32_t* weights, int count,
                             int tail, std::uint8_t* dst) {
  const hn::FixedTag<std::int32_t, 4> d32;
  const hn::FixedTag<std::uint8_t, 4> d8;
  const int safe = count - tail;
  auto sum = hn::Set(d32, kHalf);
  for (int i = 0; i < safe; ++i, pixel += 3) {
    const auto value = hn::PromoteTo(d32, hn::LoadU(d8, pixel));
    sum = hn::Add(sum, hn::Mul(value, hn::Set(d32, weights[i])));
  }
  if (tail != 0) {
    const std::uint8_t last[4] = {pixel[0], pixel[1], pixel[2], 0};
    const auto value = hn::PromoteTo(d32, hn::LoadU(d8, last));
    sum = hn::Add(sum, hn::Mul(value, hn::Set(d32, weights[safe])));
  }
  std::uint8_t rgb[4];
  hn::StoreU(hn::DemoteTo(d8, hn::ShiftRight<kPrecisionBits>(sum)), d8, rgb);
  std::memcpy(dst, rgb, 3);
}
#endif

/// One row of the horizontal pass: src [from_w, 3] to dst [to_w, 3].
void row_across(const std::uint8_t* src, int from_w, const Taps& taps, int to_w,
                std::uint8_t* dst) {
  for (int x = 0; x < to_w; ++x) {
    const int first = taps.first(x);
    const int count = taps.count(x);
    pixel_across(src + static_cast<std::ptrdiff_t>(first) * 3, taps.weights_of(x), count,
                 first + count == from_w ? 1 : 0, dst + static_cast<std::ptrdiff_t>(x) * 3);
  }
}

/// One row of the vertical pass: dst[x] is the weighted sum of rows[i][x]; `bytes` values per row.
void rows_down(const std::uint8_t* const* rows, const std::int32_t* weights, int count,
               std::size_t bytes, std::uint8_t* dst) {
  const hn::ScalableTag<std::int32_t> d32;
  const hn::Rebind<std::uint8_t, decltype(d32)> d8;
  const std::size_t lanes = hn::Lanes(d32);
  std::size_t x = 0;
  for (; x + 4 * lanes <= bytes; x += 4 * lanes) {
    auto a = hn::Set(d32, kHalf);
    auto b = a;
    auto c = a;
    auto d = a;
    for (int i = 0; i < count; ++i) {
      const std::uint8_t* row = rows[i] + x;
      const auto weight = hn::Set(d32, weights[i]);
      a = hn::Add(a, hn::Mul(hn::PromoteTo(d32, hn::LoadU(d8, row)), weight));
      b = hn::Add(b, hn::Mul(hn::PromoteTo(d32, hn::LoadU(d8, row + lanes)), weight));
      c = hn::Add(c, hn::Mul(hn::PromoteTo(d32, hn::LoadU(d8, row + 2 * lanes)), weight));
      d = hn::Add(d, hn::Mul(hn::PromoteTo(d32, hn::LoadU(d8, row + 3 * lanes)), weight));
    }
    hn::StoreU(hn::DemoteTo(d8, hn::ShiftRight<kPrecisionBits>(a)), d8, dst + x);
    hn::StoreU(hn::DemoteTo(d8, hn::ShiftRight<kPrecisionBits>(b)), d8, dst + x + lanes);
    hn::StoreU(hn::DemoteTo(d8, hn::ShiftRight<kPrecisionBits>(c)), d8, dst + x + 2 * lanes);
    hn::StoreU(hn::DemoteTo(d8, hn::ShiftRight<kPrecisionBits>(d)), d8, dst + x + 3 * lanes);
  }
  for (; x < bytes; ++x) {
    std::int32_t sum = kHalf;
    for (int i = 0; i < count; ++i) sum += rows[i][x] * weights[i];
    dst[x] = static_cast<std::uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
  }
}

}  // namespace semblance::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace semblance {
namespace {

using resize_detail::kPrecisionBits;
using resize_detail::Taps;

HWY_EXPORT(row_across);
HWY_EXPORT(rows_down);

struct Kernel {
  double support;
  double (*at)(double x);
};

double bilinear(double x) {
  x = std::fabs(x);
  return x < 1 ? 1 - x : 0;
}

/// Keys' cubic with a = -0.5.
double bicubic(double x) {
  constexpr double kA = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0;
}

double sinc(double x) {
  if (x == 0) return 1;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::kBicubic:
      return {2, bicubic};
    case Filter::kLanczos:
      return {3, lanczos};
    case Filter::kNearest:
    case Filter::kBilinear:
      break;
  }
  return {1, bilinear};
}

Taps make_taps(int from, int to, const Kernel& kernel) {
  const double scale = static_cast<double>(from) / to;
  const double widening = std::max(scale, 1.0);
  const double support = kernel.support * widening;
  Taps taps;
  taps.stride = std::min(static_cast<int>(std::ceil(support)) * 2 + 1, from);
  const auto positions = static_cast<std::size_t>(to);
  const auto stride = static_cast<std::size_t>(taps.stride);
  taps.first_and_count = Buffer(positions * 2 * sizeof(std::int32_t), Tag::kScratch);
  taps.weights = Buffer(positions * stride * sizeof(std::int32_t), Tag::kScratch);
  std::vector<double> row(stride);
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const double begin = centre - support + 0.5, end = centre + support + 0.5;
    const int first = std::max(static_cast<int>(begin), 0);
    const int count = std::min(static_cast<int>(end), from) - first;
    double sum = 0;
    for (int k = 0; k < count; ++k) {
      const double weight = kernel.at((k + first - centre + 0.5) * (1.0 / widening));
      row[static_cast<std::size_t>(k)] = weight;
      sum += weight;
    }
    const auto at = static_cast<std::size_t>(i);
    taps.first_and_count.as<std::int32_t>()[2 * at] = first;
    taps.first_and_count.as<std::int32_t>()[2 * at + 1] = count;
    for (int k = 0; k < count; ++k) {
      double weight = row[static_cast<std::size_t>(k)];
      if (sum != 0) weight /= sum;
      taps.weights.as<std::int32_t>()[at * stride + static_cast<std::size_t>(k)] =
          static_cast<std::int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits));
    }
  }
  return taps;
}

/// Like Pillow, adds up steps, so that the positions have the same rounding errors.
std::vector<int> nearest_positions(int from, int to) {
  const double step = static_cast<double>(from) / to;
  std::vector<int> positions(static_cast<std::size_t>(to));
  double at = step * 0.5;
  for (int& position : positions) {
    position = static_cast<int>(at);
    at += step;
  }
  return positions;
}

Image resize_nearest(const Image& image, Size to) {
  const auto columns = nearest_positions(image.width(), to.w);
  const auto rows = nearest_positions(image.height(), to.h);
  Image out(to);
  parallel_for(to.h, [&](std::int64_t y) {
    // A position that rounding moved past the end stays black, as in Pillow.
    const int from_y = rows[static_cast<std::size_t>(y)];
    if (from_y >= image.height()) return;
    const std::uint8_t* src = image.row(from_y);
    std::uint8_t* dst = out.row(static_cast<int>(y));
    for (const int column : columns) {
      if (column < image.width())
        std::copy_n(src + static_cast<std::ptrdiff_t>(column) * 3, 3, dst);
      dst += 3;
    }
  });
  return out;
}

/// The vertical pass over output rows [begin, end). `across` makes the rows that it reads, in order
/// and once each; `ring`, which holds as many rows as the widest window, keeps them while needed.
template <typename Across>
void resize_band(const Taps& down, int begin, int end, std::uint8_t* ring,
                 const std::uint8_t** window, std::size_t row_bytes, Across&& across, Image& out) {
  int made = down.first(begin);  // input rows up to here are in the ring
  for (int y = begin; y < end; ++y) {
    const int first = down.first(y);
    const int count = down.count(y);
    made = std::max(made, first);
    const auto place = [&](int row) {
      return ring + static_cast<std::size_t>(row % down.stride) * row_bytes;
    };
    for (; made < first + count; ++made) across(made, place(made));
    for (int i = 0; i < count; ++i) window[i] = place(first + i);
    HWY_DYNAMIC_DISPATCH(rows_down)
    (window, down.weights_of(y), count, row_bytes, out.row(y));
  }
}

/// Row y of the vertical pass over the picture itself.
void image_down(const Image& image, const Taps& down, int y, const std::uint8_t** window,
                std::uint8_t* dst) {
  for (int i = 0; i < down.count(y); ++i) window[i] = image.row(down.first(y) + i);
  HWY_DYNAMIC_DISPATCH(rows_down)
  (window, down.weights_of(y), down.count(y), image.row_bytes(), dst);
}

bool down_comes_first(Size from, Size to) {
  return to.h < from.h && from.h - to.h > 2 * (std::int64_t{from.w} - to.w);
}

}  // namespace

Image resize(const Image& image, Size to, Filter filter) {
  if (image.empty()) fail(ErrorKind::kArgument, "cannot resize a picture: it is empty");
  if (to == image.size()) return image.clone();
  if (filter == Filter::kNearest) return resize_nearest(image, to);
  Image out(to);
  const Kernel kernel = kernel_of(filter);
  const auto across_row = HWY_DYNAMIC_DISPATCH(row_across);
  const auto row_bytes = out.row_bytes();
  if (to.h == image.height()) {
    const Taps taps = make_taps(image.width(), to.w, kernel);
    parallel_for(to.h, [&](std::int64_t y) {
      const int row = static_cast<int>(y);
      across_row(image.row(row), image.width(), taps, to.w, out.row(row));
    });
    return out;
  }
  const Taps down = make_taps(image.height(), to.h, kernel);
  const auto stride = static_cast<std::size_t>(down.stride);
  const auto workers = static_cast<std::size_t>(threads());
  std::vector<const std::uint8_t*> windows(workers * stride);
  if (to.w == image.width()) {
    parallel_ranges(to.h, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
      const auto own = static_cast<std::size_t>(worker) * stride;
      for (int y = static_cast<int>(begin); y < end; ++y) {
        image_down(image, down, y, windows.data() + own, out.row(y));
      }
    });
    return out;
  }
  const Taps taps = make_taps(image.width(), to.w, kernel);
  if (down_comes_first(image.size(), to)) {
    Buffer rows(workers * image.row_bytes(), Tag::kScratch);
    parallel_ranges(to.h, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
      const auto own = static_cast<std::size_t>(worker);
      std::uint8_t* row = rows.as<std::uint8_t>().data() + own * image.row_bytes();
      for (int y = static_cast<int>(begin); y < end; ++y) {
        image_down(image, down, y, windows.data() + own * stride, row);
        across_row(row, image.width(), taps, to.w, out.row(y));
      }
    });
    return out;
  }
  Buffer rings(workers * stride * row_bytes, Tag::kScratch);
  parallel_ranges(to.h, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
    const auto own = static_cast<std::size_t>(worker) * stride;
    const auto across = [&](int row, std::uint8_t* dst) {
      across_row(image.row(row), image.width(), taps, to.w, dst);
    };
    resize_band(down, static_cast<int>(begin), static_cast<int>(end),
                rings.as<std::uint8_t>().data() + own * row_bytes, windows.data() + own, row_bytes,
                across, out);
  });
  return out;
}

}  // namespace semblance
#endif
