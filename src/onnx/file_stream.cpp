#include "onnx/file_stream.h"

#include <algorithm>

namespace semblance {
namespace {
constexpr std::uint64_t kBlockBytes = 16 * 1024;
}

FileStream::FileStream(const File& file, std::uint64_t begin, std::uint64_t end)
    : file_(&file), begin_(begin), end_(end), next_(begin), block_(kBlockBytes) {}

bool FileStream::Next(const void** data, int* size) {
  if (next_ >= end_) return false;
  if (next_ < block_begin_ || next_ >= block_end_) {
    block_begin_ = next_;
    block_end_ = std::min(end_, next_ + kBlockBytes);
    file_->read(block_begin_, {block_.data(), static_cast<std::size_t>(block_end_ - block_begin_)});
  }
  *data = block_.data() + (next_ - block_begin_);
  *size = static_cast<int>(block_end_ - next_);
  next_ = block_end_;
  return true;
}

void FileStream::BackUp(int count) { next_ -= static_cast<std::uint64_t>(count); }

bool FileStream::Skip(int count) {
  const auto bytes = static_cast<std::uint64_t>(count);
  const bool inside = bytes <= end_ - next_;
  next_ = inside ? next_ + bytes : end_;
  return inside;
}

std::int64_t FileStream::ByteCount() const { return static_cast<std::int64_t>(next_ - begin_); }

}  // namespace semblance
