// Masks: which part of a picture is repainted. And the work with parts of pictures.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "image/image.h"

namespace semblance {

/// 8 bits per pixel, row-major [h,w], counted under Tag::kImage. 255 is repainted, 0 is kept.
/// Moves, never copies. A default Mask is empty (0 x 0).
class Mask {
 public:
  Mask() = default;
  /// Keeps everything. Throws like Image.
  explicit Mask(Size size);

  Size size() const { return size_; }
  bool empty() const { return size_.w == 0; }
  /// All values, h * w.
  std::span<std::uint8_t> values() { return buffer_.as<std::uint8_t>(); }
  std::span<const std::uint8_t> values() const { return buffer_.as<std::uint8_t>(); }

 private:
  Size size_;
  Buffer buffer_;
};

/// A rectangle of pixels; right and bottom lie outside.
struct PixelBox {
  int left = 0;
  int top = 0;
  int right = 0;
  int bottom = 0;

  Size size() const { return {right - left, bottom - top}; }
  friend bool operator==(const PixelBox&, const PixelBox&) = default;
};

/// 255 in the part of the box that lies in a picture of this size, else 0.
Mask mask_of_box(const PixelBox& box, Size size);

/// The picture in grey, as Pillow's convert("L").
Mask grey(const Image& picture);

/// A Gaussian blur of standard deviation `sigma` with 2 int(2.5 sigma + 0.5) + 1 taps, as
/// AUTOMATIC1111 calls OpenCV's GaussianBlur (borders are reflected); equal to it but for rounding.
/// 0 changes nothing.
void blur(Mask& mask, double sigma);

/// The smallest box with all values above 0; nullopt if there are none.
std::optional<PixelBox> bounds(const Mask& mask);

/// The box with `padding` pixels more on each side, then widened or heightened to the shape of
/// `shape`, moved back into a picture of `whole` where it leaves it, and cut there. As diffusers'
/// get_crop_region() and AUTOMATIC1111's expand_crop_region().
PixelBox region_around(PixelBox box, int padding, Size shape, Size whole);

/// A copy of a part, which must lie in the picture.
Image crop(const Image& picture, const PixelBox& box);

/// Lays `part`, of the box's size, over the picture: where `mask`, of the picture's size, is 255
/// the part, where it is 0 the picture unchanged, between them a blend as Pillow's paste() makes
/// it.
void blend(Image& picture, const PixelBox& box, const Image& part, const Mask& mask);

}  // namespace semblance
