#include "image/orientation.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "core/error.h"

namespace semblance {
namespace {

constexpr std::uint16_t kOrientationTag = 0x0112;

/// A number of `width` bytes, at most 4.
std::uint32_t number(std::span<const std::byte> bytes, std::size_t width, bool big_endian) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    const std::byte byte = bytes[big_endian ? i : width - 1 - i];
    value = value << 8 | std::to_integer<std::uint32_t>(byte);
  }
  return value;
}

int known(std::uint32_t orientation) {
  return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
}

}  // namespace

std::optional<int> orientation_of_exif(MetadataBlock exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  for (int i = 0; i < 2 && exif.starts_with(kPrefix); ++i) exif = exif.from(kPrefix.size());
  const bool big = exif.starts_with("MM");
  if (!big && !exif.starts_with("II")) return std::nullopt;
  std::array<std::byte, 8> head;
  if (!exif.read(0, head) || number(std::span(head).subspan(2), 2, big) != 42) return std::nullopt;
  const std::uint64_t directory = number(std::span(head).subspan(4), 4, big);
  if (!exif.read(directory, std::span(head).first(2))) return std::nullopt;
  const std::uint32_t entries = number(head, 2, big);
  for (std::uint32_t i = 0; i < entries; ++i) {
    std::array<std::byte, 12> entry;
    if (!exif.read(directory + 2 + entry.size() * i, entry)) return std::nullopt;
    if (number(entry, 2, big) != kOrientationTag) continue;
    const auto count = std::span(entry).subspan(4);
    const auto value = std::span(entry).subspan(8);
    if (number(count, 4, big) != 1) return 1;  // a list of orientations means none
    switch (number(std::span(entry).subspan(2), 2, big)) {
      case 1:  // byte
        return known(number(value, 1, big));
      case 3:  // short, and its signed twin
      case 8:
        return known(number(value, 2, big));
      case 4:  // long, and its signed twin
      case 9:
        return known(number(value, 4, big));
      default:
        return 1;
    }
  }
  return std::nullopt;
}

std::optional<int> orientation_of_xmp(MetadataBlock xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (auto at = xmp.find(kName); at; at = xmp.find(kName, *at + 1)) {
    const auto digit_at = [&](std::uint64_t offset, std::string_view before) -> std::optional<int> {
      std::array<char, 3> text{};
      const auto bytes = std::as_writable_bytes(std::span(text)).first(before.size() + 1);
      if (!xmp.read(offset, bytes) || !std::string_view(text.data(), 3).starts_with(before))
        return std::nullopt;
      const char digit = text[before.size()];
      if (digit < '0' || digit > '9') return std::nullopt;
      return known(static_cast<std::uint32_t>(digit - '0'));
    };
    if (const auto found = digit_at(*at + kName.size(), "=\"")) return found;
    if (const auto found = digit_at(*at + kName.size(), ">")) return found;
  }
  return std::nullopt;
}

Size upright_size(Size stored, int orientation) {
  return orientation >= 5 ? Size{stored.h, stored.w} : stored;
}

void place_rows(Image& upright, Size stored, int orientation, int y, int count,
                const std::uint8_t* rows) {
  SEMBLANCE_ASSERT(upright.size() == upright_size(stored, orientation));
  SEMBLANCE_ASSERT(y >= 0 && count >= 0 && y + count <= stored.h);
  const std::size_t row_bytes = static_cast<std::size_t>(stored.w) * 3;
  if (orientation == 1 || orientation == 4) {
    for (int i = 0; i < count; ++i) {
      const int target = orientation == 1 ? y + i : stored.h - 1 - y - i;
      std::memcpy(upright.row(target), rows + row_bytes * static_cast<std::size_t>(i), row_bytes);
    }
    return;
  }
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 6 || orientation == 7;
  const bool swap = orientation >= 5;
  // In blocks of rows, so that neighbouring pixels of an upright row are written to one cache line.
  constexpr int kBlock = 16;
  for (int first = 0; first < count; first += kBlock) {
    const int last = std::min(count, first + kBlock);
    for (int x = 0; x < stored.w; ++x) {
      const int to_x = flip_x ? stored.w - 1 - x : x;
      for (int i = first; i < last; ++i) {
        const int to_y = flip_y ? stored.h - 1 - y - i : y + i;
        const std::uint8_t* src =
            rows + row_bytes * static_cast<std::size_t>(i) + static_cast<std::size_t>(x) * 3;
        std::uint8_t* dst = swap ? upright.row(to_x) + static_cast<std::size_t>(to_y) * 3
                                 : upright.row(to_y) + static_cast<std::size_t>(to_x) * 3;
        std::copy_n(src, 3, dst);
      }
    }
  }
}

}  // namespace semblance
