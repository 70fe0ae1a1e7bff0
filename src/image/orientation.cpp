#include "image/orientation.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "core/error.h"
#include "image/tiff.h"

namespace semblance {
namespace {

constexpr std::uint16_t kOrientationTag = 0x0112;

int known(std::uint32_t orientation) {
  return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
}

}  // namespace

std::optional<int> orientation_of_exif(const MetadataBlock& exif) {
  auto reader = TiffReader::open(exif);
  const auto entry =
      reader ? reader->find(reader->first_directory(), kOrientationTag) : std::nullopt;
  if (!entry) return std::nullopt;
  if (entry->count != 1) return 1;  // a list of orientations means none
  const std::span<const std::byte> value(entry->value);
  switch (entry->type) {
    case 1:  // byte
      return known(reader->number(value.first(1)));
    case 3:  // short, and its signed twin
    case 8:
      return known(reader->number(value.first(2)));
    case 4:  // long, and its signed twin
    case 9:
      return known(reader->number(value));
    default:
      return 1;
  }
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
