// Host memory through which bytes reach a card and come back.
#pragma once

#include <list>

#include "device/vulkan_uploads.h"
#include "memory/buffer.h"

namespace semblance {

/// Blocks of pinned memory, counted as staging. They are kept for reuse up to a limit; blocks in
/// use may exceed it, because a view is as large as its place. Not thread-safe.
class VulkanStaging {
 public:
  /// What blocks may hold together before they are waited for instead of adding one.
  static constexpr std::uint64_t kLimitBytes = std::uint64_t{64} << 20;

  struct Block {
    VulkanBuffer memory;
    bool is_open = false;              // the host uses it
    VulkanUploads::Ticket ticket = 0;  // the card uses it until this is done
  };

  /// Both must outlive this.
  VulkanStaging(const VulkanContext& context, VulkanUploads& uploads)
      : context_(context), uploads_(uploads) {}

  /// An open block of at least this size. Throws Error(kMemory), Error(kDevice).
  Block& take(std::uint64_t bytes);
  /// Closes a block, which the card still uses until `ticket` is done.
  static void give_back(Block& block, VulkanUploads::Ticket ticket) {
    block.is_open = false;
    block.ticket = ticket;
  }
  /// Frees all blocks. The card must be done with them.
  void free_all();
  /// Closes all blocks. The card must be done with them, or lost.
  void close_all() noexcept;

 private:
  Block* find(std::uint64_t bytes, bool must_be_done);
  Block& add(std::uint64_t bytes);
  void free_unused(std::uint64_t bytes);

  const VulkanContext& context_;
  VulkanUploads& uploads_;
  std::list<Block> blocks_;  // their addresses stay
  std::uint64_t bytes_ = 0;
  Counted counted_{Tag::kStaging};
};

}  // namespace semblance
