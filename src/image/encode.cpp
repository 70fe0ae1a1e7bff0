#include "image/encode.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/error.h"
#include "image/codecs/codecs.h"
#include "image/exif.h"
#include "image/utf8.h"

namespace semblance {
namespace {

constexpr std::size_t kKeyLimit = 79;

void check_text(const ImageText& text) {
  for (const auto& [key, value] : text) {
    const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
    if (key.empty() || key.size() > kKeyLimit || !std::ranges::all_of(key, printable) ||
        key.front() == ' ' || key.back() == ' ') {
      fail(ErrorKind::kArgument,
           "cannot write the picture's text: a key must be 1 to {} printable ASCII characters "
           "without spaces at either end, got \"{}\"",
           kKeyLimit, key);
    }
    if (!code_points(value) || value.find('\0') != std::string::npos) {
      fail(ErrorKind::kArgument,
           "cannot write the picture's text: the value of \"{}\" must be UTF-8 without zero bytes",
           key);
    }
  }
}

std::vector<std::byte> exif_for(const ImageText& text) {
  std::string comment;
  std::string software;
  for (const auto& [key, value] : text) {
    if (key == kCommentKey) comment.insert(0, value);
    if (key == kSoftwareKey) software = value;
    if (key != kCommentKey && key != kSoftwareKey) {
      comment += fmt::format("{}{}: {}", comment.empty() ? "" : "\n", key, value);
    }
  }
  if (comment.empty() && software.empty()) return {};
  return make_exif(comment, software);
}

void check_sides(const Image& image, ImageFormat format, int limit) {
  if (image.empty()) {
    fail(ErrorKind::kArgument, "cannot write a {}: the picture is empty", name_of(format));
  }
  if (image.width() > limit || image.height() > limit) {
    fail(ErrorKind::kArgument,
         "cannot write a {}: expected sides of at most {} pixels, got {}x{}\n"
         "  write a PNG",
         name_of(format), limit, image.width(), image.height());
  }
}

}  // namespace

std::vector<std::byte> encode(const Image& image, ImageFormat format, const ImageText& text,
                              int quality, const std::stop_token& stop) {
  SEMBLANCE_ASSERT(quality >= 0 && quality <= 100);
  check_text(text);
  switch (format) {
    case ImageFormat::kPng:
      check_sides(image, format, 1'000'000);
      return codecs::encode_png(image, text, stop);
    case ImageFormat::kJpeg: {
      check_sides(image, format, 65'500);
      const auto exif = exif_for(text);
      constexpr std::size_t kMarkerLimit = 65'533 - 6;
      if (exif.size() > kMarkerLimit) {
        fail(ErrorKind::kArgument,
             "cannot write a JPEG: expected text of at most {} bytes as EXIF, got {}\n"
             "  write a PNG, or leave the text out",
             kMarkerLimit, exif.size());
      }
      return codecs::encode_jpeg(image, exif, quality);
    }
    case ImageFormat::kWebp:
      check_sides(image, format, 16'383);
      return codecs::encode_webp(image, exif_for(text), quality);
  }
  SEMBLANCE_ASSERT(false);
}

std::uint64_t encoding_bytes(ImageFormat format, Size size) {
  // For noise, which no format can compress; see tests/allocation_test.cpp.
  const auto bytes_per_pixel = [format]() -> std::uint64_t {
    switch (format) {
      case ImageFormat::kJpeg:
        return 4;
      case ImageFormat::kPng:
        return 9;
      case ImageFormat::kWebp:
        return 26;
    }
    return 0;
  }();
  return bytes_per_pixel * codecs::pixels_of(size) + codecs::codec_bytes(size.w);
}

ImageFormat format_for(const std::filesystem::path& path) {
  const std::string extension = lower(path.extension().string());
  if (extension == ".png") return ImageFormat::kPng;
  if (extension == ".jpg" || extension == ".jpeg") return ImageFormat::kJpeg;
  if (extension == ".webp") return ImageFormat::kWebp;
  fail(ErrorKind::kArgument,
       "cannot write {}: expected a name that ends in .png, .jpg, .jpeg or .webp, got {}",
       path.string(), extension.empty() ? "no extension" : extension);
}

void write_image(const Image& image, const std::filesystem::path& path, const ImageText& text,
                 const std::stop_token& stop) {
  const auto bytes = encode(image, format_for(path), text, kEncodingQuality, stop);
  OutputFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace semblance
