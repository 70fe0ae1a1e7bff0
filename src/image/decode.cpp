#include "image/decode.h"

#include <algorithm>
#include <array>
#include <string>

#include "core/error.h"
#include "image/codecs/codecs.h"
#include "image/orientation.h"

namespace semblance {
namespace {

constexpr std::size_t kMagicBytes = 16;

/// What else people hand in as a photo, so that the message can say it.
std::string_view other_kind(std::string_view start) {
  if (start.starts_with("GIF8")) return "a GIF";
  if (start.starts_with("BM")) return "a BMP";
  if (start.starts_with("II*") || start.starts_with(std::string_view("MM\0*", 4))) {
    return "a TIFF or raw photo";
  }
  if (start.size() >= 12 && start.substr(4, 4) == "ftyp") {
    const std::string_view brand = start.substr(8, 4);
    if (brand == "avif" || brand == "avis") return "an AVIF";
    if (brand.starts_with("he") || brand == "mif1") return "a HEIC photo";
    return "a video";
  }
  if (start.starts_with("%PDF")) return "a PDF";
  if (start.starts_with("<svg") || start.starts_with("<?xml")) return "an SVG or XML file";
  return "something else";
}

ImageFormat format_of(const File& file) {
  if (file.size() == 0) {
    fail(ErrorKind::kCorrupt, "cannot read {} as a picture: the file is empty", file.name());
  }
  std::array<char, kMagicBytes> bytes{};
  const std::size_t count = std::min<std::uint64_t>(kMagicBytes, file.size());
  file.read(0, std::as_writable_bytes(std::span(bytes).first(count)));
  const std::string_view start(bytes.data(), count);
  if (start.starts_with("\xff\xd8\xff")) return ImageFormat::kJpeg;
  if (start.starts_with("\x89PNG\r\n\x1a\n")) return ImageFormat::kPng;
  if (start.starts_with("RIFF") && start.size() >= 12 && start.substr(8, 4) == "WEBP") {
    return ImageFormat::kWebp;
  }
  fail(ErrorKind::kArgument,
       "cannot read {} as a picture: JPEG, PNG and WebP are understood, this is {}\n"
       "  convert it to one of those first",
       file.name(), other_kind(start));
}

}  // namespace

namespace codecs {

void check_size(const File& file, std::int64_t w, std::int64_t h) {
  if (w < 1 || h < 1) {
    fail(ErrorKind::kCorrupt,
         "cannot read {} as a picture: a picture has at least one pixel, this says it is {}x{}",
         file.name(), w, h);
  }
  if (h > kPixelLimit / w) {
    fail(ErrorKind::kArgument,
         "cannot read {}: a picture may have {} pixels at most, this one is {}x{}\n"
         "  make it smaller first",
         file.name(), kPixelLimit, w, h);
  }
}

void fail_truncated(const File& file, ImageFormat format) {
  fail(ErrorKind::kCorrupt,
       "cannot read {}: this {} ends before its picture does (it has {} bytes)\n"
       "  get the file again",
       file.name(), name_of(format), file.size());
}

void fail_damaged(const File& file, ImageFormat format, std::string_view reason) {
  fail(ErrorKind::kCorrupt, "cannot read {}: this {} is damaged: {}", file.name(), name_of(format),
       reason);
}

}  // namespace codecs

std::string_view name_of(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "JPEG";
    case ImageFormat::kPng:
      return "PNG";
    case ImageFormat::kWebp:
      return "WebP";
  }
  return "";
}

Size ImageInfo::upright() const { return upright_size(stored, orientation); }

ImageInfo probe(const File& file) {
  switch (format_of(file)) {
    case ImageFormat::kJpeg:
      return codecs::probe_jpeg(file);
    case ImageFormat::kPng:
      return codecs::probe_png(file);
    case ImageFormat::kWebp:
      return codecs::probe_webp(file);
  }
  SEMBLANCE_ASSERT(false);
}

ImageInfo probe(const std::filesystem::path& path) { return probe(*open_file(path)); }

Image decode(const File& file, std::stop_token stop) {
  switch (format_of(file)) {
    case ImageFormat::kJpeg:
      return codecs::decode_jpeg(file, std::move(stop));
    case ImageFormat::kPng:
      return codecs::decode_png(file, std::move(stop));
    case ImageFormat::kWebp:
      return codecs::decode_webp(file);
  }
  SEMBLANCE_ASSERT(false);
}

Image decode(const std::filesystem::path& path) { return decode(*open_file(path)); }

}  // namespace semblance
