// The chunks of a PNG, in the order of the file.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "memory/file.h"

namespace semblance::codecs {

inline constexpr std::uint64_t kPngSignatureBytes = 8;

inline std::uint32_t big_endian(std::span<const std::byte> bytes) {
  std::uint32_t value = 0;
  for (const std::byte byte : bytes.first(4)) value = value << 8 | std::to_integer<unsigned>(byte);
  return value;
}

struct PngChunk {
  std::array<std::byte, 4> name{};
  std::uint64_t offset = 0;  // of its data
  std::uint64_t bytes = 0;   // of its data, which are followed by a checksum

  std::string_view type() const {
    return {reinterpret_cast<const char*>(name.data()), name.size()};
  }
};

class PngChunks {
 public:
  explicit PngChunks(const File& file) : file_(file) {}

  /// Nothing at IEND, or where the file ends before.
  std::optional<PngChunk> next() {
    // Limits the time for a file of empty chunks.
    constexpr int kChunkLimit = 1'000'000;
    if (offset_ + kAroundBytes > file_.size() || count_++ == kChunkLimit) return std::nullopt;
    std::array<std::byte, 8> head;
    file_.read(offset_, head);
    PngChunk chunk{.offset = offset_ + head.size(), .bytes = big_endian(head)};
    for (std::size_t i = 0; i < chunk.name.size(); ++i) chunk.name[i] = head[4 + i];
    is_complete_ = chunk.type() == "IEND";
    if (is_complete_ || chunk.bytes > file_.size() - offset_ - kAroundBytes) return std::nullopt;
    offset_ += kAroundBytes + chunk.bytes;
    return chunk;
  }
  /// Whether next() came to IEND.
  bool is_complete() const { return is_complete_; }

 private:
  static constexpr std::uint64_t kAroundBytes = 12;  // length, name, checksum

  const File& file_;
  std::uint64_t offset_ = kPngSignatureBytes;
  int count_ = 0;
  bool is_complete_ = false;
};

}  // namespace semblance::codecs
