#include "image/orientation.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "core/error.h"

namespace semblance {
namespace {

constexpr std::uint16_t kOrientationTag = 0x0112;

/// Numbers of a TIFF block in its own byte order; reading past its end gives nothing.
class TiffReader {
 public:
  TiffReader(std::span<const std::byte> bytes, bool big_endian)
      : bytes_(bytes), big_endian_(big_endian) {}

  std::optional<std::uint32_t> number(std::size_t offset, std::size_t width) const {
    if (offset > bytes_.size() || width > bytes_.size() - offset) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      const std::size_t at = big_endian_ ? offset + i : offset + width - 1 - i;
      value = value << 8 | std::to_integer<std::uint32_t>(bytes_[at]);
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool big_endian_;
};

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

int known(std::uint32_t orientation) {
  return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
}

}  // namespace

std::optional<int> orientation_of_exif(std::span<const std::byte> exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  for (int i = 0; i < 2 && as_text(exif).starts_with(kPrefix); ++i) {
    exif = exif.subspan(kPrefix.size());
  }
  const bool big_endian = as_text(exif).starts_with("MM");
  if (!big_endian && !as_text(exif).starts_with("II")) return std::nullopt;
  const TiffReader tiff(exif, big_endian);
  if (tiff.number(2, 2) != 42U) return std::nullopt;
  const auto directory = tiff.number(4, 4);
  if (!directory) return std::nullopt;
  const auto entries = tiff.number(*directory, 2);
  if (!entries) return std::nullopt;
  for (std::uint32_t i = 0; i < *entries; ++i) {
    const std::size_t entry = std::size_t{*directory} + 2 + std::size_t{12} * i;
    const auto tag = tiff.number(entry, 2);
    if (!tag) return std::nullopt;
    if (*tag != kOrientationTag) continue;
    if (tiff.number(entry + 4, 4) != 1U) return 1;  // a list of orientations means none
    switch (tiff.number(entry + 2, 2).value_or(0)) {
      case 1:  // byte
        return known(tiff.number(entry + 8, 1).value_or(1));
      case 3:  // short, and its signed twin
      case 8:
        return known(tiff.number(entry + 8, 2).value_or(1));
      case 4:  // long, and its signed twin
      case 9:
        return known(tiff.number(entry + 8, 4).value_or(1));
      default:
        return 1;
    }
  }
  return std::nullopt;
}

std::optional<int> orientation_of_xmp(std::span<const std::byte> xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  const std::string_view text = as_text(xmp);
  for (std::size_t at = text.find(kName); at != std::string_view::npos;
       at = text.find(kName, at + 1)) {
    std::string_view rest = text.substr(at + kName.size());
    if (rest.starts_with("=\"")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with(">")) {
      rest.remove_prefix(1);
    } else {
      continue;
    }
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') {
      return known(static_cast<std::uint32_t>(rest[0] - '0'));
    }
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
  // Blocks of rows, so that the pixels written side by side in an upright row share a cache line.
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
