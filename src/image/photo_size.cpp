#include "image/photo_size.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "image/resize.h"

namespace semblance {
namespace {

constexpr int kStep = 64;
constexpr double kShortSide = 1024;
constexpr double kLongSide = 1280;
constexpr int kSideLimit = 1 << 28;
constexpr int kAreaSideLimit = 16'384;

/// Python's round: half to even, the processor's default rounding mode.
double round_half_even(double value) { return std::nearbyint(value); }

void check_photo(Size photo) {
  if (photo.w < 1 || photo.h < 1 || photo.w > kSideLimit || photo.h > kSideLimit) {
    fail(ErrorKind::kArgument,
         "cannot choose a size: a photo's sides must be 1 to {} pixels, got {}x{}", kSideLimit,
         photo.w, photo.h);
  }
}

}  // namespace

PublishedSize published_size(Size photo) {
  check_photo(photo);
  const double w = photo.w;
  const double h = photo.h;
  const double ratio = kShortSide / std::min(w, h);
  const double w1 = round_half_even(ratio * w);
  const double h1 = round_half_even(ratio * h);
  const double ratio2 = kLongSide / std::max(w1, h1);
  PublishedSize size;
  size.first = {static_cast<int>(round_half_even(ratio2 * w1)),
                static_cast<int>(round_half_even(ratio2 * h1))};
  size.final = {size.first.w / kStep * kStep, size.first.h / kStep * kStep};
  if (size.final.w == 0 || size.final.h == 0) {
    fail(ErrorKind::kArgument,
         "cannot resize a photo of {}x{}: with its long side at {:.0f}, the short one must be at "
         "least {} pixels, it would be {}\n"
         "  crop the photo, or keep its size with --photo-size original",
         photo.w, photo.h, kLongSide, kStep, std::min(size.first.w, size.first.h));
  }
  return size;
}

Image resize_photo(const Image& photo) {
  const PublishedSize size = published_size(photo.size());
  return resize(resize(photo, size.first, Filter::kBilinear), size.final, Filter::kBilinear);
}

Image resize_photo(Image&& photo) {
  const PublishedSize size = published_size(photo.size());
  const auto resized = [](Image image, Size to) {
    return image.size() == to ? std::move(image) : resize(image, to, Filter::kBilinear);
  };
  Image first = resized(std::move(photo), size.first);  // frees the photo
  return resized(std::move(first), size.final);
}

std::uint64_t resize_photo_peak_bytes(Size photo) {
  const auto rgb = [](Size size) {
    return static_cast<std::uint64_t>(size.w) * static_cast<std::uint64_t>(size.h) * 3;
  };
  // The filters' weights, and for each thread the rows that contribute to one result row.
  const auto scratch = [](Size from, Size to) {
    const auto stride = [](int a, int b) { return 2 * (a / b + 1) + 3; };
    const std::int64_t weights =
        (std::int64_t{to.w} * stride(from.w, to.w) + std::int64_t{to.h} * stride(from.h, to.h)) * 4;
    const std::int64_t rows =
        std::max<std::int64_t>(3 * from.w, std::int64_t{3} * to.w * stride(from.h, to.h));
    return static_cast<std::uint64_t>(weights + rows * threads());
  };
  const PublishedSize size = published_size(photo);
  std::uint64_t peak = rgb(photo);
  for (const auto& [from, to] : {std::pair{photo, size.first}, {size.first, size.final}}) {
    if (!(from == to)) peak = std::max(peak, rgb(from) + rgb(to) + scratch(from, to));
  }
  return peak;
}

Size auto_size(Size photo, int side) {
  check_photo(photo);
  if (side < kStep || side > kAreaSideLimit) {
    fail(ErrorKind::kArgument,
         "cannot choose a size: the model's side must be {} to {} pixels, got {}", kStep,
         kAreaSideLimit, side);
  }
  const double aspect = std::sqrt(static_cast<double>(photo.w) / photo.h);
  const double longest = static_cast<double>(side) * side / kStep;
  const auto fitted = [&](double length) {
    const double rounded = std::round(std::min(length, longest) / kStep) * kStep;
    return static_cast<int>(std::max<double>(rounded, kStep));
  };
  return {fitted(side * aspect), fitted(side / aspect)};
}

}  // namespace semblance
