// Vulkan's functions, found at run time: the program links no Vulkan and starts without it.
//
// All calls go through one table, VulkanApi, so a test can replace any function by one that fails
// (see vulkan_api_faults_test.h). Functions that the driver lacks are null; vulkan_facts.cpp
// refuses cards whose driver lacks one that is needed.
#pragma once

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include <functional>
#include <string>
#include <string_view>

#include "device/vulkan_newer.h"

namespace semblance {

// The functions in use, without the prefix "vk". Those of the loader exist without an instance.
#define SEMBLANCE_VULKAN_LOADER_FUNCTIONS(X) \
  X(CreateInstance)                          \
  X(EnumerateInstanceVersion)

#define SEMBLANCE_VULKAN_FUNCTIONS(X)                \
  X(DestroyInstance)                                 \
  X(EnumeratePhysicalDevices)                        \
  X(EnumerateDeviceExtensionProperties)              \
  X(GetPhysicalDeviceProperties2)                    \
  X(GetPhysicalDeviceFeatures2)                      \
  X(GetPhysicalDeviceMemoryProperties2)              \
  X(GetPhysicalDeviceQueueFamilyProperties)          \
  X(GetPhysicalDeviceCooperativeMatrixPropertiesKHR) \
  X(CreateDevice)                                    \
  X(DestroyDevice)                                   \
  X(DeviceWaitIdle)                                  \
  X(GetDeviceQueue)                                  \
  X(CreateBuffer)                                    \
  X(DestroyBuffer)                                   \
  X(GetBufferMemoryRequirements)                     \
  X(AllocateMemory)                                  \
  X(FreeMemory)                                      \
  X(BindBufferMemory)                                \
  X(MapMemory)                                       \
  X(CreateShaderModule)                              \
  X(DestroyShaderModule)                             \
  X(CreateDescriptorSetLayout)                       \
  X(DestroyDescriptorSetLayout)                      \
  X(CreatePipelineLayout)                            \
  X(DestroyPipelineLayout)                           \
  X(CreatePipelineCache)                             \
  X(DestroyPipelineCache)                            \
  X(GetPipelineCacheData)                            \
  X(CreateComputePipelines)                          \
  X(DestroyPipeline)                                 \
  X(CreateCommandPool)                               \
  X(DestroyCommandPool)                              \
  X(ResetCommandPool)                                \
  X(AllocateCommandBuffers)                          \
  X(BeginCommandBuffer)                              \
  X(EndCommandBuffer)                                \
  X(CreateQueryPool)                                 \
  X(DestroyQueryPool)                                \
  X(GetQueryPoolResults)                             \
  X(CreateSemaphore)                                 \
  X(DestroySemaphore)                                \
  X(WaitSemaphores)                                  \
  X(GetSemaphoreCounterValue)                        \
  X(QueueSubmit)                                     \
  X(CmdBindPipeline)                                 \
  X(CmdPushDescriptorSetKHR)                         \
  X(CmdPushConstants)                                \
  X(CmdDispatch)                                     \
  X(CmdCopyBuffer)                                   \
  X(CmdPipelineBarrier)                              \
  X(CmdResetQueryPool)                               \
  X(CmdWriteTimestamp)

struct VulkanApi {
#define SEMBLANCE_MEMBER(name) PFN_vk##name name = nullptr;
  SEMBLANCE_VULKAN_LOADER_FUNCTIONS(SEMBLANCE_MEMBER)
  SEMBLANCE_VULKAN_FUNCTIONS(SEMBLANCE_MEMBER)
#undef SEMBLANCE_MEMBER
};

/// Called when functions have been found, to replace some of them: once with those of the loader
/// and again with all.
using VulkanHook = std::function<void(VulkanApi&)>;

/// The loader, libvulkan.so.1. Opened once per process and never closed, since drivers do not
/// survive that.
class VulkanLoader {
 public:
  /// Throws Error(kMissing), naming the package, if it is not installed; Error(kDevice) if it is
  /// too old.
  explicit VulkanLoader(VulkanHook hook = {});
  const VulkanApi& api() const { return api_; }
  /// The table with an instance's functions.
  VulkanApi api_of(VkInstance instance) const;

 private:
  PFN_vkGetInstanceProcAddr find_ = nullptr;
  VulkanHook hook_;
  VulkanApi api_;
};

/// "out of memory on the card" and the like.
std::string_view name_of(VkResult result);

/// Throws if `result` is an error: Error(kMemory) if memory ran out, else Error(kDevice). The text
/// is "cannot DOING: RESULT" and what to do. Positive results (a timeout, say) are not errors.
void check_vulkan(VkResult result, std::string_view doing);

}  // namespace semblance
