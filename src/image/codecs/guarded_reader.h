// Common to reading with libjpeg and libpng: both call back for bytes and report errors by longjmp.
#pragma once

#include <csetjmp>
#include <exception>
#include <span>
#include <stop_token>

#include "core/error.h"
#include "image/codecs/codecs.h"

namespace semblance::codecs {

/// Code inside guarded(), including callbacks, must not have objects on its stack that need a
/// destructor.
class GuardedReader {
 protected:
  GuardedReader(const File& file, ImageFormat format, std::stop_token stop)
      : file_(file), format_(format), stop_(std::move(stop)) {}

  /// Runs some of the library's calls and turns their errors into exceptions.
  template <typename F>
  void guarded(F&& calls) {
    if (setjmp(jump_) == 0) {
      calls();
      return;
    }
    switch (trouble_) {
      case Trouble::kThrown:
        std::rethrow_exception(thrown_);
      case Trouble::kTruncated:
        fail_truncated(file_, format_);
      case Trouble::kDamaged:
        fail_damaged(file_, format_, message_);
      case Trouble::kStopped:
        fail(ErrorKind::kCancelled, "cancelled");
    }
  }

  // For callbacks. The leave functions jump to the end of guarded().

  std::uint64_t read_until() const { return offset_; }
  std::uint64_t bytes_left() const { return file_.size() - offset_; }
  void read_next(std::span<std::byte> dst) {
    if (dst.size() > bytes_left()) leave_truncated();
    try {
      file_.read(offset_, dst);
    } catch (...) {
      thrown_ = std::current_exception();
    }
    if (thrown_ != nullptr) leave(Trouble::kThrown);
    offset_ += dst.size();
  }
  void skip_next(std::uint64_t bytes) {
    if (bytes > bytes_left()) leave_truncated();
    offset_ += bytes;
  }
  void leave_where_stopped() {
    if (stop_.stop_requested()) leave(Trouble::kStopped);
  }
  [[noreturn]] void leave_truncated() { leave(Trouble::kTruncated); }
  /// `message_` gives the reason.
  [[noreturn]] void leave_damaged() { leave(Trouble::kDamaged); }

  const File& file_;
  char message_[200] = {};

 private:
  enum class Trouble { kTruncated, kDamaged, kThrown, kStopped };
  [[noreturn]] void leave(Trouble trouble) {
    trouble_ = trouble;
    std::longjmp(jump_, 1);
  }

  ImageFormat format_;
  std::stop_token stop_;
  std::uint64_t offset_ = 0;  // of the first byte that has not been read
  std::jmp_buf jump_{};
  Trouble trouble_ = Trouble::kDamaged;
  std::exception_ptr thrown_;
};

}  // namespace semblance::codecs
