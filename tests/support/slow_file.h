#pragma once

#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "memory/file.h"

namespace semblance::testing {

/// A file whose every read is delayed.
class SlowFile final : public File {
 public:
  SlowFile(std::shared_ptr<const File> file, std::chrono::milliseconds delay)
      : file_(std::move(file)), delay_(delay) {}
  const std::string& name() const override { return file_->name(); }
  std::uint64_t size() const override { return file_->size(); }
  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    std::this_thread::sleep_for(delay_);
    file_->read(offset, dst);
  }

 private:
  std::shared_ptr<const File> file_;
  std::chrono::milliseconds delay_;
};

}  // namespace semblance::testing
