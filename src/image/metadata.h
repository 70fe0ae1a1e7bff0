// The EXIF or XMP block of a picture, wherever it lies in the picture's file.
//
// Read in small ranges through one window, so that a block costs the same few KiB however long the
// file says it is. One thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "memory/file.h"

namespace semblance {

class MetadataBlock {
 public:
  /// A longer block, or one in more pieces, is ignored: it reads as empty. Cameras write some KiB.
  static constexpr std::uint64_t kByteLimit = std::uint64_t{1} << 20;
  static constexpr std::size_t kPieceLimit = 32;

  /// Empty. The file must outlive the block.
  explicit MetadataBlock(const File& file) : file_(&file) {}
  /// One piece, which lies inside the file.
  MetadataBlock(const File& file, std::uint64_t offset, std::uint64_t bytes) : file_(&file) {
    append(offset, bytes);
  }

  /// Adds bytes of the file to the end: a JPEG splits a long block. Allocates nothing.
  void append(std::uint64_t offset, std::uint64_t bytes) noexcept;

  std::uint64_t size() const { return bytes_; }
  /// The rest of the block from `offset` on; empty beyond its end.
  MetadataBlock from(std::uint64_t offset) const;

  /// Fills `dst`, at most kWindowBytes; false where the block ends before that. Throws what
  /// File::read throws.
  bool read(std::uint64_t offset, std::span<std::byte> dst);
  bool starts_with(std::string_view text);
  /// Where `text`, at most kWindowBytes, stands first at or after `offset`.
  std::optional<std::uint64_t> find(std::string_view text, std::uint64_t offset = 0);

 private:
  struct Piece {
    std::uint64_t offset = 0;  // in the file
    std::uint64_t bytes = 0;
  };
  static constexpr std::size_t kWindowBytes = 4096;

  /// The block's bytes from `offset` on, at least `least` of them unless the block ends before.
  std::string_view window(std::uint64_t offset, std::size_t least);

  const File* file_;
  std::array<Piece, kPieceLimit> pieces_{};
  std::size_t piece_count_ = 0;
  std::uint64_t bytes_ = 0;
  bool ignored_ = false;
  std::array<std::byte, kWindowBytes> window_;
  std::uint64_t window_offset_ = 0;
  std::size_t window_bytes_ = 0;
};

}  // namespace semblance
