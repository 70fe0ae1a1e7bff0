// Sizes: how the published scripts resize a photo (InstantID's resize_img), and the picture size
// that matches a photo's aspect ratio.
#pragma once

#include <cstdint>

#include "image/image.h"

namespace semblance {

/// The two sizes of the published rule. With Python's round (half to even):
/// r = 1024 / min(w, h), w1, h1 = round(r w), round(r h), r2 = 1280 / max(w1, h1); `first` is
/// round(r2 w1) x round(r2 h1), `final` is that with both sides floored to multiples of 64.
struct PublishedSize {
  Size first;
  Size final;
};

/// Throws Error(kArgument) for a side below 1 or above 2^28, and for a photo so narrow (more than
/// 20 times as long as wide) that its short side becomes less than 64.
PublishedSize published_size(Size photo);

/// The photo at published_size().final, by two bilinear resizes like Pillow's. Throws like
/// published_size.
Image resize_photo(const Image& photo);
/// The same, but frees the photo as soon as the first resize is done.
Image resize_photo(Image&& photo);
/// The peak memory of resize_photo(Image&&), including the photo, in bytes.
std::uint64_t resize_photo_peak_bytes(Size photo);

/// A size with the photo's aspect ratio and an area of about `side` x `side` pixels: w, h = side *
/// sqrt(aspect), side / sqrt(aspect), each rounded to the nearest multiple of 64, at least 64 and
/// at most side^2 / 64. Small photos are enlarged too. Throws Error(kArgument) for a photo side
/// below 1 or a `side` outside 64 to 16,384.
Size auto_size(Size photo, int side);

}  // namespace semblance
