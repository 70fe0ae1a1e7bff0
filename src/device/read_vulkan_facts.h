// Reads the facts of a card from its driver.
#pragma once

#include "device/vulkan_facts.h"
#include "device/vulkan_instance.h"

namespace semblance {

/// Drivers can crash on some of these questions: see cards.h, which asks in a child process. Throws
/// Error(kDevice) or Error(kMemory).
VulkanFacts read_vulkan_facts(const VulkanInstance& instance, VkPhysicalDevice card);

/// Memory that is the card's own. Integrated cards share theirs with the processor.
struct CardMemory {
  std::uint64_t total_bytes = 0;
  /// What this process may still take, as far as the driver says (VK_EXT_memory_budget); else
  /// total_bytes.
  std::uint64_t free_bytes = 0;
  std::uint64_t used_bytes = 0;    // by this process; 0 if the driver does not say
  std::uint64_t budget_bytes = 0;  // what this process may hold in total; 0 if it does not say
};
CardMemory read_card_memory(const VulkanApi& api, VkPhysicalDevice card, bool has_budget);

}  // namespace semblance
