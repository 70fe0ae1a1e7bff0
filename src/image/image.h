// A picture in memory: 8-bit RGB, row-major [h,w,3], without gaps between rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "memory/buffer.h"

namespace semblance {

/// Width and height in pixels.
struct Size {
  int w = 0;
  int h = 0;
  friend bool operator==(const Size&, const Size&) = default;
};

/// Moves, never copies; counted under Tag::kImage. A default Image is empty (0 x 0); all others
/// have at least one pixel.
class Image {
 public:
  Image() = default;
  /// A black picture. Throws Error(kArgument) unless both sides are at least 1 and the picture has
  /// at most 2^31 - 1 bytes, Error(kMemory) if the system is out of memory.
  explicit Image(Size size);

  Size size() const { return size_; }
  int width() const { return size_.w; }
  int height() const { return size_.h; }
  bool empty() const { return size_.w == 0; }

  /// All pixels, h * w * 3 values.
  std::span<std::uint8_t> pixels() { return buffer_.as<std::uint8_t>(); }
  std::span<const std::uint8_t> pixels() const { return buffer_.as<std::uint8_t>(); }
  /// One row, w * 3 values; y must be in range.
  std::uint8_t* row(int y) { return pixels().data() + row_bytes() * static_cast<std::size_t>(y); }
  const std::uint8_t* row(int y) const {
    return pixels().data() + row_bytes() * static_cast<std::size_t>(y);
  }
  std::size_t row_bytes() const { return static_cast<std::size_t>(size_.w) * 3; }

  Image clone() const;

 private:
  Size size_;
  Buffer buffer_;
};

}  // namespace semblance
