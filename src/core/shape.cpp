#include "core/shape.h"

#include "core/error.h"

namespace semblance {

Shape::Shape(std::span<const std::int64_t> sizes) {
  if (sizes.size() > kMaxRank) {
    fail(ErrorKind::kShape, "a tensor has at most {} axes, this one has {}", kMaxRank,
         sizes.size());
  }
  constexpr std::int64_t kMaxElements = std::int64_t{1} << 48;
  std::int64_t product = 1;
  for (std::int64_t size : sizes) {
    if (size < 0) fail(ErrorKind::kShape, "a tensor's size cannot be negative, got {}", size);
    // A size of 0 counts as 1, so that products of any of the axes stay in range.
    const std::int64_t factor = size == 0 ? 1 : size;
    if (product > kMaxElements / factor) {
      fail(ErrorKind::kShape, "a tensor has at most 2^48 elements, this one has more");
    }
    product *= factor;
    sizes_[static_cast<std::size_t>(rank_++)] = size;
  }
}

std::int64_t Shape::elements() const { return elements_from(0); }

std::int64_t Shape::elements_from(int axis) const {
  std::int64_t product = 1;
  for (int i = place_of(axis); i < rank_; ++i) product *= (*this)[i];
  return product;
}

std::int64_t Shape::elements_before(int axis) const {
  std::int64_t product = 1;
  for (int i = 0, end = place_of(axis); i < end; ++i) product *= (*this)[i];
  return product;
}

Shape Shape::with(int axis, std::int64_t size) const {
  std::array<std::int64_t, kMaxRank> sizes = sizes_;
  sizes[static_cast<std::size_t>(place_of(axis))] = size;
  return Shape(std::span<const std::int64_t>(sizes.data(), static_cast<std::size_t>(rank_)));
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (int i = 0; i < shape.rank(); ++i) {
    if (i > 0) text += ',';
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

}  // namespace semblance
