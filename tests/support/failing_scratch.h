// A scratch file in memory that fails on demand.
#pragma once

#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "core/error.h"
#include "memory/scratch_file.h"

namespace semblance::testing {

class FailingScratch final : public Scratch {
 public:
  /// After `good_writes` writes (or `good_reads` reads), every further one fails with `reason`.
  struct Plan {
    int good_writes = 1 << 30;
    int good_reads = 1 << 30;
    std::string reason = "Input/output error";
  };
  explicit FailingScratch(std::uint64_t bytes) : FailingScratch(bytes, Plan{}) {}
  FailingScratch(std::uint64_t bytes, Plan plan)
      : plan_(std::move(plan)), bytes_(static_cast<std::size_t>(bytes)) {}

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return bytes_.size(); }
  void write(std::uint64_t offset, std::span<const std::byte> src) override {
    SEMBLANCE_ASSERT(offset <= bytes_.size() && src.size() <= bytes_.size() - offset);
    if (writes_++ >= plan_.good_writes) {
      fail(ErrorKind::kDevice, "cannot write {}: {}", name_, plan_.reason);
    }
    if (!src.empty()) std::memcpy(bytes_.data() + offset, src.data(), src.size());
  }
  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    SEMBLANCE_ASSERT(offset <= bytes_.size() && dst.size() <= bytes_.size() - offset);
    if (reads_++ >= plan_.good_reads) {
      fail(ErrorKind::kDevice, "cannot read {}: {}", name_, plan_.reason);
    }
    if (!dst.empty()) std::memcpy(dst.data(), bytes_.data() + offset, dst.size());
  }
  int writes() const { return writes_; }
  int reads() const { return reads_; }

 private:
  Plan plan_;
  std::string name_ = "the scratch file of a test";
  std::vector<std::byte> bytes_;
  std::atomic<int> writes_{0};
  mutable std::atomic<int> reads_{0};
};

}  // namespace semblance::testing
