#include "image/tiff.h"

#include <algorithm>
#include <string_view>

namespace semblance {

std::optional<TiffReader> TiffReader::open(MetadataBlock block) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  for (int i = 0; i < 2 && block.starts_with(kPrefix); ++i) block = block.from(kPrefix.size());
  const bool is_big = block.starts_with("MM");
  if (!is_big && !block.starts_with("II")) return std::nullopt;
  TiffReader reader(block, is_big);
  std::array<std::byte, 8> head;
  if (!reader.block_.read(0, head)) return std::nullopt;
  if (reader.number(std::span(head).subspan(2, 2)) != 42) return std::nullopt;
  reader.first_ = reader.number(std::span(head).subspan(4));
  return reader;
}

std::uint32_t TiffReader::number(std::span<const std::byte> bytes) const {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::byte byte = bytes[is_big_ ? i : bytes.size() - 1 - i];
    value = value << 8 | std::to_integer<std::uint32_t>(byte);
  }
  return value;
}

std::optional<TiffReader::Entry> TiffReader::find(std::uint64_t directory, std::uint16_t tag) {
  std::array<std::byte, 2> head;
  if (!block_.read(directory, head)) return std::nullopt;
  const std::uint32_t entries = number(head);
  for (std::uint32_t i = 0; i < entries; ++i) {
    std::array<std::byte, 12> bytes;
    if (!block_.read(directory + 2 + bytes.size() * i, bytes)) return std::nullopt;
    const std::span<const std::byte> all(bytes);
    if (number(all.first(2)) != tag) continue;
    Entry entry{.type = number(all.subspan(2, 2)), .count = number(all.subspan(4, 4))};
    std::copy_n(all.begin() + 8, 4, entry.value.begin());
    return entry;
  }
  return std::nullopt;
}

std::optional<std::string> TiffReader::text(const Entry& entry) {
  constexpr std::uint32_t kByte = 1, kAsciiType = 2, kUndefinedType = 7;
  constexpr std::size_t kPieceBytes = 4096;  // MetadataBlock reads no more at once
  if (entry.type != kByte && entry.type != kAsciiType && entry.type != kUndefinedType)
    return std::nullopt;
  if (entry.count <= entry.value.size()) {
    return std::string(reinterpret_cast<const char*>(entry.value.data()), entry.count);
  }
  const std::uint64_t offset = number(entry.value);
  if (offset > block_.size() || entry.count > block_.size() - offset) return std::nullopt;
  std::string bytes(entry.count, '\0');
  for (std::size_t at = 0; at < bytes.size(); at += kPieceBytes) {
    const auto piece = std::span(bytes).subspan(at, std::min(kPieceBytes, bytes.size() - at));
    if (!block_.read(offset + at, std::as_writable_bytes(piece))) return std::nullopt;
  }
  return bytes;
}

}  // namespace semblance
