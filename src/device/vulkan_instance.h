// Vulkan, started: the drivers are loaded and list their cards.
#pragma once

#include <string_view>
#include <vector>

#include "device/vulkan_api.h"

namespace semblance {

/// Thread-safe.
class VulkanInstance {
 public:
  /// Throws what VulkanLoader throws, and Error(kDevice) if the drivers cannot be started.
  explicit VulkanInstance(VulkanHook hook = {});
  ~VulkanInstance();
  VulkanInstance(const VulkanInstance&) = delete;
  VulkanInstance& operator=(const VulkanInstance&) = delete;

  const VulkanApi& api() const { return api_; }
  /// In the drivers' order, which is the same each time.
  std::vector<VkPhysicalDevice> cards() const;
  std::vector<VkExtensionProperties> extensions(VkPhysicalDevice card) const;

 private:
  VulkanLoader loader_;
  VkInstance instance_ = VK_NULL_HANDLE;
  VulkanApi api_;
};

bool has_extension(const std::vector<VkExtensionProperties>& extensions, std::string_view name);

}  // namespace semblance
