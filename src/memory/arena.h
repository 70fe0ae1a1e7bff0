// One block of memory in which a plan has placed everything by offset.
#pragma once

#include "core/error.h"
#include "memory/buffer.h"

namespace semblance {

class Arena {
 public:
  Arena() = default;
  Arena(std::size_t bytes, Tag tag) : buffer_(bytes, tag) {}

  /// The place that the plan gave: [offset, offset + bytes) must lie inside; asserted.
  std::span<std::byte> at(std::size_t offset, std::size_t bytes) const {
    SEMBLANCE_ASSERT(offset <= buffer_.size() && bytes <= buffer_.size() - offset);
    return {buffer_.data() + offset, bytes};
  }

 private:
  Buffer buffer_;
};

}  // namespace semblance
