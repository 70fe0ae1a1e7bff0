// Work for a queue of a card: recorded once, handed over, and known by its number on a timeline.
#pragma once

#include <cstdint>
#include <span>

#include "device/vulkan_context.h"

namespace semblance {

/// A point on a timeline semaphore.
struct VulkanPoint {
  VkSemaphore timeline = VK_NULL_HANDLE;
  std::uint64_t value = 0;
};

/// A command buffer with its memory.
class VulkanCommands {
 public:
  /// The context must outlive this. Throws Error(kMemory), Error(kDevice).
  VulkanCommands(const VulkanContext& context, Queue queue);

  VkCommandBuffer get() const { return commands_; }
  /// Starts recording anew. The card must be done with what was recorded before.
  void begin();
  /// Ends the recording and hands it over. It starts after the points in `after`; points of value 0
  /// are ignored.
  void submit(std::span<const VulkanPoint> after, const VulkanPoint& done);

 private:
  const VulkanContext* context_;
  Queue queue_;
  VulkanHandle<VkCommandPool> pool_;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;  // freed with the pool
};

}  // namespace semblance
