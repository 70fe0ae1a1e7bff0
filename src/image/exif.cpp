#include "image/exif.h"

#include <array>
#include <cstdint>
#include <utility>

#include "core/error.h"
#include "image/tiff.h"
#include "image/utf8.h"

namespace semblance {
namespace {

constexpr std::uint16_t kSoftwareTag = 0x0131;
constexpr std::array<std::pair<std::uint16_t, std::string_view>, 4> kTextTags{
    {{0x010e, "ImageDescription"},
     {0x010f, "Make"},
     {0x0110, "Model"},
     {kSoftwareTag, kSoftwareKey}}};
constexpr std::uint16_t kExifDirectoryTag = 0x8769;
constexpr std::uint16_t kUserCommentTag = 0x9286;
constexpr std::uint16_t kAscii = 2;
constexpr std::uint16_t kLong = 4;
constexpr std::uint16_t kUndefined = 7;
constexpr std::size_t kEntryBytes = 12;

class TiffWriter {
 public:
  void text(std::string_view text) {
    for (const char c : text) bytes_.push_back(static_cast<std::byte>(c));
  }
  void number(std::size_t value, int width) {
    for (int i = width - 1; i >= 0; --i) {
      bytes_.push_back(static_cast<std::byte>(value >> (8 * i) & 0xff));
    }
  }
  /// A directory entry; `value` is its content or, above 4 bytes, the offset of the content.
  void entry(std::uint16_t tag, std::uint16_t type, std::size_t count, std::size_t value) {
    number(tag, 2);
    number(type, 2);
    number(count, 4);
    number(value, 4);
  }
  std::size_t size() const { return bytes_.size(); }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

std::string utf16_big_endian(std::string_view utf8) {
  const auto points = code_points(utf8);
  SEMBLANCE_ASSERT(points.has_value());
  std::string bytes;
  const auto unit = [&bytes](std::uint32_t value) {
    bytes.push_back(static_cast<char>(value >> 8));
    bytes.push_back(static_cast<char>(value & 0xff));
  };
  for (const char32_t point : *points) {
    if (point < 0x10000) {
      unit(point);
    } else {
      unit(0xd800 + ((point - 0x10000) >> 10));
      unit(0xdc00 + ((point - 0x10000) & 0x3ff));
    }
  }
  return bytes;
}

/// Surrogates without their other half are U+FFFD; a last odd byte is left out.
std::string utf8_of_utf16(std::string_view bytes, bool is_big) {
  const auto unit = [&](std::size_t at) -> char32_t {
    const auto high = static_cast<unsigned char>(bytes[is_big ? at : at + 1]);
    const auto low = static_cast<unsigned char>(bytes[is_big ? at + 1 : at]);
    return static_cast<char32_t>(high) << 8 | low;
  };
  std::string text;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    char32_t point = unit(i);
    const bool is_half = point >= 0xd800 && point < 0xe000;
    const char32_t other = is_half && i + 3 < bytes.size() ? unit(i + 2) : 0;
    if (is_half && point < 0xdc00 && other >= 0xdc00 && other < 0xe000) {
      point = 0x10000 + ((point - 0xd800) << 10) + (other - 0xdc00);
      i += 2;
    } else if (is_half) {
      point = 0xfffd;
    }
    append_utf8(text, point);
  }
  return text;
}

/// Programs write UTF-16 in either order, whatever the block's is.
bool is_big_utf16(std::string_view bytes, bool otherwise) {
  std::array<std::size_t, 2> zeros{};  // at even and odd places
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '\0') ++zeros[i % 2];
  }
  return zeros[0] == zeros[1] ? otherwise : zeros[0] > zeros[1];
}

/// Without zero bytes at the end.
std::string plain_text(std::string_view bytes) {
  const std::size_t end = bytes.find_last_not_of('\0');
  bytes = bytes.substr(0, end == std::string_view::npos ? 0 : end + 1);
  return code_points(bytes) ? std::string(bytes) : utf8_of_latin1(bytes);
}

std::string comment_text(std::string_view bytes, bool is_big) {
  constexpr std::size_t kCodeBytes = 8;
  if (bytes.size() < kCodeBytes) return plain_text(bytes);
  const std::string_view code = bytes.substr(0, kCodeBytes);
  const std::string_view text = bytes.substr(kCodeBytes);
  if (code.starts_with("UNICODE")) return utf8_of_utf16(text, is_big_utf16(text, is_big));
  const bool has_code =
      code.starts_with("ASCII") || code.starts_with("JIS") || code.front() == '\0';
  return plain_text(has_code ? text : bytes);
}

}  // namespace

std::vector<std::byte> make_exif(std::string_view comment, std::string_view software) {
  // TIFF keeps values of up to 4 bytes in the entry itself; zero padding makes the name longer.
  std::string name(software);
  if (!name.empty()) name.resize(std::max<std::size_t>(name.size() + 1, 5));
  const std::string content =
      comment.empty() ? "" : std::string("UNICODE\0", 8) + utf16_big_endian(comment);
  const std::size_t entries = (name.empty() ? 0U : 1U) + (content.empty() ? 0U : 1U);
  const std::size_t directory_bytes = 2 + entries * kEntryBytes + 4;
  const std::size_t name_at = 8 + directory_bytes;
  const std::size_t exif_at = name_at + name.size() + name.size() % 2;
  const std::size_t content_at = exif_at + 2 + kEntryBytes + 4;

  TiffWriter tiff;
  tiff.text("MM");
  tiff.number(42, 2);
  tiff.number(8, 4);
  tiff.number(entries, 2);
  if (!name.empty()) tiff.entry(kSoftwareTag, kAscii, name.size(), name_at);
  if (!content.empty()) tiff.entry(kExifDirectoryTag, kLong, 1, exif_at);
  tiff.number(0, 4);
  tiff.text(name);
  if (name.size() % 2 != 0) tiff.number(0, 1);
  if (!content.empty()) {
    SEMBLANCE_ASSERT(tiff.size() == exif_at);
    tiff.number(1, 2);
    tiff.entry(kUserCommentTag, kUndefined, content.size(), content_at);
    tiff.number(0, 4);
    tiff.text(content);
  }
  return tiff.take();
}

std::vector<PictureText> texts_of_exif(const MetadataBlock& exif) {
  std::vector<PictureText> texts;
  auto reader = TiffReader::open(exif);
  if (!reader) return texts;
  const auto add = [&](std::string_view key, std::string value) {
    if (!value.empty()) texts.push_back({std::string(key), std::move(value)});
  };
  const std::uint64_t first = reader->first_directory();
  if (const auto pointer = reader->find(first, kExifDirectoryTag);
      pointer && pointer->type == kLong) {
    const auto entry = reader->find(reader->number(pointer->value), kUserCommentTag);
    const auto bytes = entry ? reader->text(*entry) : std::nullopt;
    if (bytes) add(kCommentKey, comment_text(*bytes, reader->is_big_endian()));
  }
  for (const auto& [tag, key] : kTextTags) {
    const auto entry = reader->find(first, tag);
    const auto bytes = entry ? reader->text(*entry) : std::nullopt;
    if (bytes) add(key, plain_text(*bytes));
  }
  return texts;
}

}  // namespace semblance
