// Reads the directories of an EXIF block, which is a TIFF header and lists of tagged entries.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "image/metadata.h"

namespace semblance {

/// One thread at a time. Whatever the block claims, only bytes of the block are read. All functions
/// throw what File::read throws.
class TiffReader {
 public:
  struct Entry {
    std::uint32_t type = 0;
    std::uint32_t count = 0;
    std::array<std::byte, 4> value{};  // or its offset, if it is longer

    bool operator==(const Entry&) const = default;
  };

  /// Nothing unless the block is a TIFF header, after an optional "Exif\0\0".
  static std::optional<TiffReader> open(MetadataBlock block);

  std::uint64_t first_directory() const { return first_; }
  /// The first entry of this tag; nothing if there is none before the directory's or block's end.
  std::optional<Entry> find(std::uint64_t directory, std::uint16_t tag);
  /// A number of at most 4 bytes, in the block's byte order.
  std::uint32_t number(std::span<const std::byte> bytes) const;
  bool is_big_endian() const { return is_big_; }
  /// The bytes of a text (ASCII, bytes or undefined); nothing for another type or bytes outside the
  /// block.
  std::optional<std::string> text(const Entry& entry);

 private:
  TiffReader(const MetadataBlock& block, bool is_big) : block_(block), is_big_(is_big) {}

  MetadataBlock block_;
  bool is_big_;
  std::uint64_t first_ = 0;
};

}  // namespace semblance
