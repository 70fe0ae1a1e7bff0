// Shared by decode.cpp, encode.cpp and the codecs in this folder, one per file. Private to the
// room.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "image/decode.h"
#include "image/image.h"
#include "image/metadata.h"
#include "image/picture_text.h"
#include "memory/file.h"

namespace semblance::codecs {

/// Throws Error(kCorrupt) for an empty size and Error(kArgument) for one above kPixelLimit.
void check_size(const File& file, std::int64_t w, std::int64_t h);

/// Errors common to all formats.
[[noreturn]] void fail_truncated(const File& file, ImageFormat format);
[[noreturn]] void fail_damaged(const File& file, ImageFormat format, std::string_view reason);

/// Bytes that a codec needs for tables and a few rows of a picture `w` pixels wide.
constexpr std::uint64_t codec_bytes(int w) {
  return (std::uint64_t{1} << 20) + static_cast<std::uint64_t>(w) * 256;
}
constexpr std::uint64_t pixels_of(Size size) {
  return static_cast<std::uint64_t>(size.w) * static_cast<std::uint64_t>(size.h);
}

ImageInfo probe_jpeg(const File& file);
Image decode_jpeg(const File& file, std::stop_token stop);
/// The EXIF block, empty if there is none.
MetadataBlock exif_of_jpeg(const File& file);

ImageInfo probe_png(const File& file);
Image decode_png(const File& file, std::stop_token stop);
std::vector<PictureText> texts_of_png(const File& file);

ImageInfo probe_webp(const File& file);
Image decode_webp(const File& file);
MetadataBlock exif_of_webp(const File& file);

using Text = std::vector<std::pair<std::string, std::string>>;

std::vector<std::byte> encode_jpeg(const Image& image, std::span<const std::byte> exif,
                                   int quality);
std::vector<std::byte> encode_png(const Image& image, const Text& text,
                                  const std::stop_token& stop);
std::vector<std::byte> encode_webp(const Image& image, std::span<const std::byte> exif,
                                   int quality);

}  // namespace semblance::codecs
