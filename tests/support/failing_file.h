#pragma once

#include <memory>
#include <utility>

#include "core/error.h"
#include "memory/file.h"

namespace semblance::testing {

/// A file that fails to read from byte `good_bytes` on.
class FailingFile final : public File {
 public:
  FailingFile(std::shared_ptr<const File> file, std::uint64_t good_bytes)
      : file_(std::move(file)), good_bytes_(good_bytes) {}
  const std::string& name() const override { return file_->name(); }
  std::uint64_t size() const override { return file_->size(); }
  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    if (offset + dst.size() > good_bytes_) {
      fail(ErrorKind::kDevice, "cannot read {}: Input/output error", name());
    }
    file_->read(offset, dst);
  }

 private:
  std::shared_ptr<const File> file_;
  std::uint64_t good_bytes_;
};

}  // namespace semblance::testing
