#include "image/decode.h"

#include <algorithm>
#include <array>
#include <string>

#include "core/error.h"
#include "core/other_content.h"
#include "image/codecs/codecs.h"
#include "image/orientation.h"

namespace semblance {
namespace {

constexpr std::string_view kConvert = "convert it to one of these first";

/// The kind of a file of boxes (ISO 14496-12), from its brands. The main brand of both HEIC and
/// AVIF may be "mif1", so all brands count.
std::string_view kind_of_boxes(std::string_view start) {
  constexpr std::size_t kHead = 16,
                        kBrand = 4;  // size, "ftyp", main brand, version; other brands follow
  std::size_t end = 0;
  for (const char c : start.substr(0, 4)) end = end << 8U | static_cast<unsigned char>(c);
  end = std::min(end, start.size());
  std::string_view kind = "a video";
  for (std::size_t at = 8; at + kBrand <= std::max(end, kHead); at += kBrand) {
    const std::string_view brand = start.substr(at, kBrand);
    if (at == 12) continue;  // the version
    if (brand == "avif" || brand == "avis") return "an AVIF";
    if (brand.starts_with("he") || brand == "mif1" || brand == "msf1") kind = "a HEIC photo";
  }
  return kind;
}

/// Recognises other files that people give as a photo, so that the message can name them.
OtherContent other_kind(std::string_view start) {
  using namespace std::string_view_literals;
  if (const auto other = other_content(start)) return *other;
  if (start.starts_with("GIF8")) return {"a GIF", kConvert};
  if (start.starts_with("BM")) return {"a BMP", kConvert};
  if (start.starts_with("II*") || start.starts_with("MM\0*"sv))
    return {"a TIFF or raw photo", kConvert};
  if (start.size() >= 16 && start.substr(4, 4) == "ftyp") return {kind_of_boxes(start), kConvert};
  if (start.starts_with("\xff\x0a") || start.starts_with("\0\0\0\x0cJXL \r\n\x87\n"sv))
    return {"a JPEG XL", kConvert};
  if (start.starts_with("\xff\x4f\xff\x51") || start.starts_with("\0\0\0\x0cjP  \r\n\x87\n"sv))
    return {"a JPEG 2000", kConvert};
  if (start.starts_with("%PDF")) return {"a PDF", kConvert};
  const std::string_view text = from_first_visible(start);
  if (text.starts_with("<svg") || text.starts_with("<?xml"))
    return {"an SVG or XML file", kConvert};
  if (text.starts_with('{') || text.starts_with("["))
    return {"JSON text", "give the photo itself; the text may say why it is missing"};
  if (text.starts_with("data:"))
    return {"a data: URL", "decode the part after the comma, for example with `base64 -d`"};
  for (const std::string_view begin : {"/9j/", "iVBORw0KGgo", "UklGR"}) {
    if (text.starts_with(begin)) return {"base64 text", "decode it, for example with `base64 -d`"};
  }
  return {"something else", kConvert};
}

ImageFormat format_of(const File& file) {
  if (file.size() == 0) {
    fail(ErrorKind::kCorrupt, "cannot read {} as a picture: the file is empty", file.name());
  }
  std::array<char, kContentBytes> bytes{};
  const std::size_t count = std::min<std::uint64_t>(bytes.size(), file.size());
  file.read(0, std::as_writable_bytes(std::span(bytes).first(count)));
  const std::string_view start(bytes.data(), count);
  if (start.starts_with("\xff\xd8\xff")) return ImageFormat::kJpeg;
  if (start.starts_with("\x89PNG\r\n\x1a\n")) return ImageFormat::kPng;
  if (start.starts_with("RIFF") && start.size() >= 12 && start.substr(8, 4) == "WEBP") {
    return ImageFormat::kWebp;
  }
  const OtherContent other = other_kind(start);
  fail(ErrorKind::kArgument,
       "cannot read {} as a picture: expected JPEG, PNG or WebP, got {}\n  {}", file.name(),
       other.what, other.fix);
}

}  // namespace

namespace codecs {

void check_size(const File& file, std::int64_t w, std::int64_t h) {
  if (w < 1 || h < 1) {
    fail(ErrorKind::kCorrupt, "cannot read {} as a picture: expected at least one pixel, got {}x{}",
         file.name(), w, h);
  }
  if (h > kPixelLimit / w) {
    fail(ErrorKind::kArgument,
         "cannot read {}: expected a picture of at most {} pixels, got {}x{}\n"
         "  shrink it first",
         file.name(), kPixelLimit, w, h);
  }
}

void fail_truncated(const File& file, ImageFormat format) {
  fail(ErrorKind::kCorrupt,
       "cannot read {}: this {} is truncated (it has {} bytes)\n"
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
