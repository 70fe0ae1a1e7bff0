// The sizes of a tensor's axes, outermost first; at most 6 (ONNX graphs of face models need 5).
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace semblance {

class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes)
      : Shape(std::span<const std::int64_t>(sizes.begin(), sizes.size())) {}
  /// Throws Error(kShape) for more than kMaxRank sizes, a negative size, or a product above 2^48.
  explicit Shape(std::span<const std::int64_t> sizes);

  int rank() const { return rank_; }
  /// Size of an axis; negative axes count from the end. The axis must exist.
  std::int64_t operator[](int axis) const {
    return sizes_[static_cast<std::size_t>(place_of(axis))];
  }
  /// Converts a negative axis to one counted from the front.
  int place_of(std::int64_t axis) const { return static_cast<int>(axis < 0 ? axis + rank_ : axis); }
  /// Number of elements; 1 for a scalar.
  std::int64_t elements() const;
  /// The product of the sizes from `axis` on.
  std::int64_t elements_from(int axis) const;
  /// The product of the sizes in front of `axis`.
  std::int64_t elements_before(int axis) const;
  std::span<const std::int64_t> sizes() const {
    return {sizes_.data(), static_cast<std::size_t>(rank_)};
  }
  /// The same shape with one size changed. Throws like the constructor.
  Shape with(int axis, std::int64_t size) const;

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }

 private:
  std::array<std::int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

/// "[2,64,64,320]"; "[]" for a scalar.
std::string to_string(const Shape& shape);

}  // namespace semblance
