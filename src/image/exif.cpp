#include "image/exif.h"

#include <cstdint>

#include "core/error.h"
#include "image/utf8.h"

namespace semblance {
namespace {

constexpr std::uint16_t kSoftwareTag = 0x0131;
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

}  // namespace semblance
