// Spilled values in main memory, where a device has less of its own.
#pragma once

#include <cstring>
#include <string>

#include "core/error.h"
#include "memory/buffer.h"
#include "memory/scratch_file.h"

namespace semblance {

class MemoryScratch final : public Scratch {
 public:
  /// Throws Error(kMemory).
  explicit MemoryScratch(std::uint64_t bytes) : buffer_(bytes, Tag::kScratch) {}
  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return buffer_.size(); }
  void write(std::uint64_t offset, std::span<const std::byte> src) override {
    check(offset, src.size());
    std::memcpy(buffer_.data() + offset, src.data(), src.size());
  }
  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    check(offset, dst.size());
    std::memcpy(dst.data(), buffer_.data() + offset, dst.size());
  }

 private:
  void check(std::uint64_t offset, std::uint64_t bytes) const {
    SEMBLANCE_ASSERT(offset <= size() && bytes <= size() - offset);
  }

  const std::string name_ = "main memory";
  Buffer buffer_;
};

}  // namespace semblance
