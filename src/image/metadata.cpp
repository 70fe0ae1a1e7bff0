#include "image/metadata.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace semblance {

void MetadataBlock::append(std::uint64_t offset, std::uint64_t bytes) noexcept {
  if (ignored_ || bytes == 0) return;
  if (piece_count_ == kPieceLimit || bytes > kByteLimit - bytes_) {
    ignored_ = true;
    piece_count_ = 0;
    bytes_ = 0;
    window_bytes_ = 0;
    return;
  }
  pieces_[piece_count_++] = {offset, bytes};
  bytes_ += bytes;
}

MetadataBlock MetadataBlock::from(std::uint64_t offset) const {
  MetadataBlock rest(*file_);
  for (std::size_t i = 0; i < piece_count_; ++i) {
    const std::uint64_t skipped = std::min(offset, pieces_[i].bytes);
    rest.append(pieces_[i].offset + skipped, pieces_[i].bytes - skipped);
    offset -= skipped;
  }
  return rest;
}

std::string_view MetadataBlock::window(std::uint64_t offset, std::size_t least) {
  SEMBLANCE_ASSERT(least <= kWindowBytes);
  if (offset >= bytes_) return {};
  const std::uint64_t wanted = std::min<std::uint64_t>(least, bytes_ - offset);
  if (offset < window_offset_ || offset + wanted > window_offset_ + window_bytes_) {
    window_bytes_ = 0;
    std::uint64_t before = offset;
    for (std::size_t i = 0; i < piece_count_ && window_bytes_ < kWindowBytes; ++i) {
      const Piece& piece = pieces_[i];
      const std::uint64_t skipped = std::min(before, piece.bytes);
      before -= skipped;
      const std::size_t count =
          std::min<std::uint64_t>(piece.bytes - skipped, kWindowBytes - window_bytes_);
      file_->read(piece.offset + skipped, std::span(window_).subspan(window_bytes_, count));
      window_bytes_ += count;
    }
    window_offset_ = offset;
  }
  const std::size_t skipped = offset - window_offset_;
  return {reinterpret_cast<const char*>(window_.data()) + skipped, window_bytes_ - skipped};
}

bool MetadataBlock::read(std::uint64_t offset, std::span<std::byte> dst) {
  const std::string_view bytes = window(offset, dst.size());
  if (bytes.size() < dst.size()) return false;
  std::memcpy(dst.data(), bytes.data(), dst.size());
  return true;
}

bool MetadataBlock::starts_with(std::string_view text) {
  return window(0, text.size()).starts_with(text);
}

std::optional<std::uint64_t> MetadataBlock::find(std::string_view text, std::uint64_t offset) {
  for (;;) {
    const std::string_view bytes = window(offset, text.size());
    if (bytes.size() < text.size()) return std::nullopt;
    const std::size_t at = bytes.find(text);
    if (at != std::string_view::npos) return offset + at;
    offset += bytes.size() - (text.size() - 1);
  }
}

}  // namespace semblance
