#include "device/vulkan_staging.h"

#include <algorithm>

#include "core/integers.h"

namespace semblance {
namespace {

constexpr std::uint64_t kLeastBytes = std::uint64_t{64} << 10;
/// A block serves views down to this part of its size.
constexpr std::uint64_t kLargestShare = 4;

}  // namespace

VulkanStaging::Block* VulkanStaging::find(std::uint64_t bytes, bool must_be_done) {
  Block* best = nullptr;
  for (Block& block : blocks_) {
    const std::uint64_t size = block.memory.bytes;
    if (block.is_open || size < bytes || size > std::max(bytes, kLeastBytes) * kLargestShare)
      continue;
    if (must_be_done && !uploads_.is_done(block.ticket)) continue;
    // The smallest that fits; of those in use, the one that is done first.
    const bool is_better =
        best == nullptr || (must_be_done ? size < best->memory.bytes : block.ticket < best->ticket);
    if (is_better) best = &block;
  }
  return best;
}

VulkanStaging::Block& VulkanStaging::add(std::uint64_t bytes) {
  Block block;
  block.memory = context_.host_memory(bytes);
  blocks_.push_back(std::move(block));
  bytes_ += bytes;
  counted_.set(bytes_);
  return blocks_.back();
}

/// Frees closed blocks, the largest first, until one of this size may be added.
void VulkanStaging::free_unused(std::uint64_t bytes) {
  while (bytes_ + bytes > kLimitBytes) {
    auto largest = blocks_.end();
    for (auto block = blocks_.begin(); block != blocks_.end(); ++block) {
      if (!block->is_open &&
          (largest == blocks_.end() || block->memory.bytes > largest->memory.bytes))
        largest = block;
    }
    if (largest == blocks_.end()) return;
    uploads_.wait(largest->ticket);
    bytes_ -= largest->memory.bytes;
    blocks_.erase(largest);
    counted_.set(bytes_);
  }
}

VulkanStaging::Block& VulkanStaging::take(std::uint64_t bytes) {
  const std::uint64_t size = round_up(std::max(bytes, kLeastBytes), kLeastBytes);
  Block* block = find(bytes, true);
  if (block == nullptr && bytes_ + size > kLimitBytes) {
    block = find(bytes, false);
    if (block != nullptr) uploads_.wait(block->ticket);
  }
  if (block == nullptr) {
    free_unused(size);
    block = &add(size);
  }
  block->is_open = true;
  block->ticket = 0;
  return *block;
}

void VulkanStaging::free_all() {
  blocks_.clear();
  bytes_ = 0;
  counted_.set(0);
}

void VulkanStaging::close_all() noexcept {
  for (Block& block : blocks_) give_back(block, 0);
}

}  // namespace semblance
