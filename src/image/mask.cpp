#include "image/mask.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/error.h"

namespace semblance {
namespace {

/// Reflects an index outside 0..count-1 without repeating the border (OpenCV's BORDER_REFLECT_101).
int reflected(int index, int count) {
  if (count == 1) return 0;
  const int period = 2 * (count - 1);
  index = std::abs(index) % period;
  return index < count ? index : period - index;
}

std::vector<float> gaussian(double sigma) {
  const int radius = static_cast<int>(2.5 * sigma + 0.5);
  std::vector<float> taps;
  double sum = 0;
  for (int i = -radius; i <= radius; ++i) sum += std::exp(-i * i / (2 * sigma * sigma));
  for (int i = -radius; i <= radius; ++i)
    taps.push_back(static_cast<float>(std::exp(-i * i / (2 * sigma * sigma)) / sum));
  return taps;
}

/// into[i] = the sum of `taps` times rows of `count` values around each; `row(k)` is row k's
/// values.
template <typename Row>
void add_taps(std::span<const float> taps, std::span<float> into, Row&& row) {
  std::ranges::fill(into, 0.0F);
  for (std::size_t t = 0; t < taps.size(); ++t) {
    const std::uint8_t* const values = row(static_cast<int>(t));
    const float tap = taps[t];
    for (std::size_t i = 0; i < into.size(); ++i) into[i] += tap * static_cast<float>(values[i]);
  }
}

}  // namespace

Mask::Mask(Size size) {
  if (size.w < 1 || size.h < 1)
    fail(ErrorKind::kArgument, "cannot make a mask of {}x{}: expected sides of at least 1", size.w,
         size.h);
  size_ = size;
  buffer_ =
      Buffer(static_cast<std::size_t>(size.w) * static_cast<std::size_t>(size.h), Tag::kImage);
}

Mask mask_of_box(const PixelBox& box, Size size) {
  Mask mask(size);
  const auto w = static_cast<std::size_t>(size.w);
  const int left = std::clamp(box.left, 0, size.w);
  const int right = std::clamp(box.right, left, size.w);
  for (int y = std::max(0, box.top); y < std::min(size.h, box.bottom); ++y) {
    const auto row = mask.values().subspan(static_cast<std::size_t>(y) * w, w);
    std::fill(row.begin() + left, row.begin() + right, std::uint8_t{255});
  }
  return mask;
}

Mask grey(const Image& picture) {
  Mask mask(picture.size());
  const std::uint8_t* from = picture.pixels().data();
  for (std::uint8_t& value : mask.values()) {
    const unsigned sum = from[0] * 19595U + from[1] * 38470U + from[2] * 7471U + 0x8000U;
    value = static_cast<std::uint8_t>(sum >> 16U);
    from += 3;
  }
  return mask;
}

void blur(Mask& mask, double sigma) {
  if (sigma <= 0 || mask.empty()) return;
  const std::vector<float> taps = gaussian(sigma);
  const int radius = static_cast<int>(taps.size() / 2);
  const int w = mask.size().w, h = mask.size().h;
  const auto width = static_cast<std::size_t>(w);
  const auto row_of = [](Mask& of, int y) {
    return of.values().data() + static_cast<std::size_t>(of.size().w) * static_cast<std::size_t>(y);
  };
  const auto store = [](std::span<const float> sums, std::uint8_t* to) {
    for (std::size_t i = 0; i < sums.size(); ++i)
      to[i] = static_cast<std::uint8_t>(std::clamp(std::lround(sums[i]), 0L, 255L));
  };
  std::vector<float> sums(width);
  // Along rows, each padded by its reflection.
  std::vector<std::uint8_t> padded(width + 2 * static_cast<std::size_t>(radius));
  for (int y = 0; y < h; ++y) {
    std::uint8_t* const row = row_of(mask, y);
    for (int i = 0; i < static_cast<int>(padded.size()); ++i)
      padded[static_cast<std::size_t>(i)] = row[reflected(i - radius, w)];
    add_taps(taps, sums, [&](int t) { return padded.data() + t; });
    store(sums, row);
  }
  // Down columns, with the rows above kept as they were.
  const Mask along = [&] {
    Mask copy(mask.size());
    std::ranges::copy(mask.values(), copy.values().begin());
    return copy;
  }();
  for (int y = 0; y < h; ++y) {
    add_taps(taps, sums, [&](int t) {
      const int from = reflected(y + t - radius, h);
      return along.values().data() + width * static_cast<std::size_t>(from);
    });
    store(sums, row_of(mask, y));
  }
}

std::optional<PixelBox> bounds(const Mask& mask) {
  const auto [w, h] = mask.size();
  PixelBox box{w, h, 0, 0};
  const std::uint8_t* value = mask.values().data();
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) {
      if (*value++ == 0) continue;
      box = {std::min(box.left, x), std::min(box.top, y), std::max(box.right, x + 1), y + 1};
    }
  }
  if (box.right == 0) return std::nullopt;
  return box;
}

namespace {

/// Stretches begin..end to `length` around its middle, within 0..whole.
void stretch(int& begin, int& end, int length, int whole) {
  const int more = length - (end - begin);
  begin -= more / 2;
  end += more - more / 2;
  if (end >= whole) {
    begin -= end - whole;
    end = whole;
  }
  if (begin < 0) {
    end -= begin;
    begin = 0;
  }
  end = std::min(end, whole);
}

}  // namespace

PixelBox region_around(PixelBox box, int padding, Size shape, Size whole) {
  box = {std::max(box.left - padding, 0), std::max(box.top - padding, 0),
         std::min(box.right + padding, whole.w), std::min(box.bottom + padding, whole.h)};
  const auto [w, h] = box.size();
  const double wanted = static_cast<double>(shape.w) / shape.h;
  if (static_cast<double>(w) / h > wanted) {
    stretch(box.top, box.bottom, static_cast<int>(w / wanted), whole.h);
  } else {
    stretch(box.left, box.right, static_cast<int>(h * wanted), whole.w);
  }
  return box;
}

Image crop(const Image& picture, const PixelBox& box) {
  SEMBLANCE_ASSERT(box.left >= 0 && box.top >= 0 && box.right <= picture.width() &&
                   box.bottom <= picture.height());
  Image part(box.size());
  for (int y = 0; y < part.height(); ++y) {
    std::memcpy(part.row(y), picture.row(box.top + y) + std::ptrdiff_t{3} * box.left,
                part.row_bytes());
  }
  return part;
}

void blend(Image& picture, const PixelBox& box, const Image& part, const Mask& mask) {
  SEMBLANCE_ASSERT(part.size() == box.size() && mask.size() == picture.size());
  for (int y = 0; y < part.height(); ++y) {
    const std::uint8_t* from = part.row(y);
    std::uint8_t* to = picture.row(box.top + y) + std::ptrdiff_t{3} * box.left;
    const std::uint8_t* weight =
        mask.values().data() +
        static_cast<std::size_t>(mask.size().w) * static_cast<std::size_t>(box.top + y) +
        static_cast<std::size_t>(box.left);
    for (int x = 0; x < part.width(); ++x, ++weight) {
      for (int c = 0; c < 3; ++c, ++from, ++to) {
        const unsigned sum = *to * (255U - *weight) + *from * unsigned{*weight} + 128U;
        *to = static_cast<std::uint8_t>(((sum >> 8U) + sum) >> 8U);
      }
    }
  }
}

}  // namespace semblance
