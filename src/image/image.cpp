#include "image/image.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace semblance {
namespace {

std::size_t checked_bytes(Size size) {
  if (size.w < 1 || size.h < 1 ||
      std::int64_t{size.w} * size.h > std::numeric_limits<std::int32_t>::max() / 3) {
    fail(ErrorKind::kArgument,
         "cannot make a picture of {}x{}: sides must be at least 1, and pixels at most {}", size.w,
         size.h, std::numeric_limits<std::int32_t>::max() / 3);
  }
  return static_cast<std::size_t>(size.w) * static_cast<std::size_t>(size.h) * 3;
}

}  // namespace

Image::Image(Size size) : size_(size), buffer_(checked_bytes(size), Tag::kImage) {}

Image Image::clone() const {
  if (empty()) return Image();
  Image copy(size_);
  std::ranges::copy(pixels(), copy.pixels().begin());
  return copy;
}

}  // namespace semblance
