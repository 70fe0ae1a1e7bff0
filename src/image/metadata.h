// The EXIF or XMP block of a picture, anywhere in the picture's file.
//
// It is read in small ranges through one window, so a block costs the same few KiB whatever length
// the file claims. One thread at a time.
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
  /// A longer block, or one in more pieces, is ignored: it reads as empty. Cameras write a few KiB.
  static constexpr std::uint64_t kByteLimit = std::uint64_t{1} << 20;
  static constexpr std::size_t kPieceLimit = 32;

  /// Empty. The file must outlive the block.
  explicit MetadataBlock(const File& file) : file_(&file) {}
  /// A block of one piece, which must be inside the file.
  MetadataBlock(const File& file, std::uint64_t offset, std::uint64_t bytes) : file_(&file) {
    append(offset, bytes);
  }

  /// Appends bytes of the file: a JPEG splits a long block. Does not allocate.
  void append(std::uint64_t offset, std::uint64_t bytes) noexcept;

  std::uint64_t size() const { return bytes_; }
  /// The rest of the block from `offset` on; empty past its end.
  MetadataBlock from(std::uint64_t offset) const;

  /// Fills `dst`, at most kWindowBytes; false if the block is too short. Throws what File::read
  /// throws.
  bool read(std::uint64_t offset, std::span<std::byte> dst);
  bool starts_with(std::string_view text);
  /// The first position at or after `offset` of `text`, which has at most kWindowBytes.
  std::optional<std::uint64_t> find(std::string_view text, std::uint64_t offset = 0);

 private:
  struct Piece {
    std::uint64_t offset = 0;  // in the file
    std::uint64_t bytes = 0;
  };
  static constexpr std::size_t kWindowBytes = 4096;

  /// The block's bytes from `offset` on: at least `least` unless the block ends before.
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
