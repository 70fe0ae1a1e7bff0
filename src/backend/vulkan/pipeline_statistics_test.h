// What a driver says of the pipelines that it compiles (VK_KHR_pipeline_executable_properties):
// registers and spills. A hook puts the questions between Semblance and the driver.
#pragma once

#include <dlfcn.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "device/vulkan_api.h"

namespace semblance::testing {

struct PipelineStatistics {
  std::uint64_t registers = 0;  // of an invocation
  std::uint64_t spills = 0;     // moves to other registers, or bytes of memory
};

/// Of one process; not thread-safe.
class StatisticsHook {
 public:
  static VulkanHook hook() {
    return [](VulkanApi& api) {
      if (api.CreateInstance != create_instance) next_.CreateInstance = api.CreateInstance;
      api.CreateInstance = create_instance;
      if (api.CreateDevice == nullptr) return;
      next_ = api;
      api.CreateDevice = create_device;
      api.CreateComputePipelines = create_pipelines;
    };
  }
  /// Of all pipelines since the last call: the most registers, and the sum of spills.
  static PipelineStatistics take() { return std::exchange(found_, {}); }

 private:
  static VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo* info,
                                             const VkAllocationCallbacks* memory,
                                             VkInstance* instance) {
    const VkResult result = next_.CreateInstance(info, memory, instance);
    instance_ = *instance;
    return result;
  }

  static VkResult VKAPI_CALL create_device(VkPhysicalDevice card, const VkDeviceCreateInfo* info,
                                           const VkAllocationCallbacks* memory, VkDevice* device) {
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR feature{};
    feature.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR;
    feature.pipelineExecutableInfo = VK_TRUE;
    feature.pNext = const_cast<void*>(info->pNext);
    std::vector<const char*> names(info->ppEnabledExtensionNames,
                                   info->ppEnabledExtensionNames + info->enabledExtensionCount);
    names.push_back(VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME);
    VkDeviceCreateInfo wanted = *info;
    wanted.pNext = &feature;
    wanted.enabledExtensionCount = static_cast<std::uint32_t>(names.size());
    wanted.ppEnabledExtensionNames = names.data();
    const VkResult result = next_.CreateDevice(card, &wanted, memory, device);
    find(statistics_, "vkGetPipelineExecutableStatisticsKHR");
    return result;
  }

  static VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache,
                                              std::uint32_t count,
                                              const VkComputePipelineCreateInfo* infos,
                                              const VkAllocationCallbacks* memory,
                                              VkPipeline* pipelines) {
    std::vector<VkComputePipelineCreateInfo> wanted(infos, infos + count);
    for (auto& info : wanted) info.flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR;
    const VkResult result =
        next_.CreateComputePipelines(device, cache, count, wanted.data(), memory, pipelines);
    for (std::uint32_t i = 0; result == VK_SUCCESS && i < count; ++i) ask(device, pipelines[i]);
    return result;
  }

  static void ask(VkDevice device, VkPipeline pipeline) {
    VkPipelineExecutableInfoKHR info{};
    info.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR;
    info.pipeline = pipeline;  // a compute pipeline has one executable
    std::uint32_t count = 0;
    statistics_(device, &info, &count, nullptr);
    VkPipelineExecutableStatisticKHR empty{};
    empty.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR;
    std::vector<VkPipelineExecutableStatisticKHR> all(count, empty);
    statistics_(device, &info, &count, all.data());
    for (const VkPipelineExecutableStatisticKHR& one : all) {
      const std::string_view name = one.name;
      const auto is = [&](auto... names) { return ((name == names) || ...); };
      if (is("VGPRs", "Number of GPRs"))
        found_.registers = std::max(found_.registers, one.value.u64);
      if (is("Spilled SGPRs", "Spilled VGPRs", "Scratch size", "Spills to memory", "Spills to reg",
             "SLM size"))
        found_.spills += one.value.u64;
    }
  }

  template <typename Function>
  static void find(Function& function, const char* name) {
    static void* const loader = dlopen("libvulkan.so.1", RTLD_NOW);
    const auto of_instance =
        reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(loader, "vkGetInstanceProcAddr"));
    function = reinterpret_cast<Function>(of_instance(instance_, name));
  }

  static inline VulkanApi next_;
  static inline VkInstance instance_ = VK_NULL_HANDLE;
  static inline PFN_vkGetPipelineExecutableStatisticsKHR statistics_ = nullptr;
  static inline PipelineStatistics found_;
};

}  // namespace semblance::testing
