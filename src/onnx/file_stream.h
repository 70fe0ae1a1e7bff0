// Makes a File a protobuf input stream. It is read in blocks; skipped ranges are never read.
#pragma once

#include <google/protobuf/io/zero_copy_stream.h>

#include <vector>

#include "memory/file.h"

namespace semblance {

/// Starts at `begin` and ends at `end` (a range inside the file). Positions of a CodedInputStream
/// on top of it count from `begin`. Throws what File::read throws.
class FileStream final : public google::protobuf::io::ZeroCopyInputStream {
 public:
  FileStream(const File& file, std::uint64_t begin, std::uint64_t end);
  bool Next(const void** data, int* size) override;
  void BackUp(int count) override;
  bool Skip(int count) override;
  std::int64_t ByteCount() const override;

 private:
  const File* file_;
  std::uint64_t begin_;
  std::uint64_t end_;
  std::uint64_t next_;  // the stream's position
  std::uint64_t block_begin_ = 0;
  std::uint64_t block_end_ = 0;  // the block in memory; empty at first
  std::vector<std::byte> block_;
};

}  // namespace semblance
