// A graphics card, through Vulkan.
#pragma once

#include "device/vulkan_facts.h"
#include "runtime/device.h"

namespace semblance {

/// Runs VulkanKernels.
class VulkanDevice : public Device {
 public:
  virtual const VulkanFacts& facts() const = 0;
};

}  // namespace semblance
