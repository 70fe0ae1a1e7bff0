#include "device/read_vulkan_facts.h"

#include <fmt/core.h>

#include <algorithm>
#include <span>

namespace semblance {
namespace {

using Extensions = std::vector<VkExtensionProperties>;

/// A Vulkan structure of its type, with nothing chained to it.
template <typename T>
T of_type(VkStructureType type) {
  T value{};
  value.sType = type;
  return value;
}

CardType type_of(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return CardType::kDiscrete;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return CardType::kIntegrated;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return CardType::kVirtual;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return CardType::kSoftware;
    default:
      return CardType::kOther;
  }
}

std::string driver_of(const VkPhysicalDeviceDriverProperties& driver) {
  return driver.driverID == VK_DRIVER_ID_MESA_LLVMPIPE ? "lavapipe" : driver.driverName;
}

void read_names(const VulkanApi& api, VkPhysicalDevice card, VulkanFacts& facts) {
  auto driver = of_type<VkPhysicalDeviceDriverProperties>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES);
  auto id = of_type<VkPhysicalDeviceIDProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES);
  id.pNext = &driver;
  auto all = of_type<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  all.pNext = &id;
  api.GetPhysicalDeviceProperties2(card, &all);
  facts.name = all.properties.deviceName;
  facts.driver = driver_of(driver);
  facts.driver_version = driver.driverInfo;
  facts.vendor_id = all.properties.vendorID;
  facts.device_id = all.properties.deviceID;
  facts.type = type_of(all.properties.deviceType);
  for (const std::uint8_t byte : id.deviceUUID) facts.uuid += fmt::format("{:02x}", byte);
}

void read_limits(const VulkanApi& api, VkPhysicalDevice card, VulkanFacts& facts) {
  auto blocks = of_type<VkPhysicalDeviceMaintenance3Properties>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES);
  auto subgroups = of_type<VkPhysicalDeviceSubgroupProperties>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES);
  blocks.pNext = &subgroups;
  auto all = of_type<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  all.pNext = &blocks;
  api.GetPhysicalDeviceProperties2(card, &all);
  const VkPhysicalDeviceLimits& limits = all.properties.limits;
  // Some drivers name the largest number there is.
  constexpr std::uint64_t kMost = std::uint64_t{1} << 62;
  facts.largest_block_bytes = std::min<std::uint64_t>(blocks.maxMemoryAllocationSize, kMost);
  facts.largest_binding_bytes = limits.maxStorageBufferRange;
  facts.place_alignment = limits.minStorageBufferOffsetAlignment;
  std::copy_n(limits.maxComputeWorkGroupCount, facts.most_groups.size(), facts.most_groups.begin());
  facts.most_group_size = limits.maxComputeWorkGroupInvocations;
  facts.shared_bytes = limits.maxComputeSharedMemorySize;
  facts.subgroup_size = subgroups.subgroupSize;
  facts.has_subgroup_arithmetic =
      (subgroups.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0 &&
      (subgroups.supportedOperations & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT) != 0;
}

void read_subgroup_sizes(const VulkanApi& api, VkPhysicalDevice card, VulkanFacts& facts) {
  auto sizes = of_type<VkPhysicalDeviceSubgroupSizeControlProperties>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES);
  auto all = of_type<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  all.pNext = &sizes;
  api.GetPhysicalDeviceProperties2(card, &all);
  facts.has_one_subgroup_size = sizes.minSubgroupSize == sizes.maxSubgroupSize;
  if ((sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) == 0) return;
  for (std::uint64_t size = 1; size <= sizes.maxSubgroupSize; size *= 2) {
    if (size >= sizes.minSubgroupSize)
      facts.subgroup_sizes.push_back(static_cast<std::uint32_t>(size));
  }
}

void read_matrices(const VulkanApi& api, VkPhysicalDevice card, VulkanFacts& facts) {
  constexpr std::string_view kDoing = "list the matrix shapes of a graphics card";
  const PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR ask =
      api.GetPhysicalDeviceCooperativeMatrixPropertiesKHR;
  if (ask == nullptr) return;
  std::uint32_t count = 0;
  check_vulkan(ask(card, &count, nullptr), kDoing);
  std::vector<VkCooperativeMatrixPropertiesKHR> shapes(
      count, of_type<VkCooperativeMatrixPropertiesKHR>(
                 VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR));
  check_vulkan(ask(card, &count, shapes.data()), kDoing);
  for (const VkCooperativeMatrixPropertiesKHR& shape : std::span(shapes).first(count)) {
    const bool f32_sums = shape.ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR;
    if (shape.scope != VK_SCOPE_SUBGROUP_KHR || shape.AType != VK_COMPONENT_TYPE_FLOAT16_KHR ||
        shape.BType != VK_COMPONENT_TYPE_FLOAT16_KHR || shape.CType != shape.ResultType ||
        (!f32_sums && shape.ResultType != VK_COMPONENT_TYPE_FLOAT16_KHR))
      continue;
    facts.matrices.push_back(
        {shape.MSize, shape.NSize, shape.KSize, DType::kF16, f32_sums ? DType::kF32 : DType::kF16});
  }
}

/// Features that exist from Vulkan 1.2 on, and those of extensions.
void read_features(const VulkanInstance& instance, VkPhysicalDevice card,
                   const Extensions& extensions, VulkanFacts& facts) {
  auto matrices = of_type<VkPhysicalDeviceCooperativeMatrixFeaturesKHR>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR);
  auto sizes = of_type<VkPhysicalDeviceSubgroupSizeControlFeatures>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES);
  auto of_12 = of_type<VkPhysicalDeviceVulkan12Features>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES);
  auto of_11 = of_type<VkPhysicalDeviceVulkan11Features>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES);
  auto all = of_type<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
  all.pNext = &of_11;
  of_11.pNext = &of_12;
  void** end = &of_12.pNext;
  const bool is_13 = facts.api_major > 1 || facts.api_minor >= 3;
  const bool has_sizes =
      is_13 || has_extension(extensions, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
  if (has_sizes) {
    *end = &sizes;
    end = &sizes.pNext;
  }
  const bool has_matrices = has_extension(extensions, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
  auto more_matrices = of_type<VkPhysicalDeviceCooperativeMatrix2FeaturesNV>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV);
  if (has_matrices) {
    *end = &matrices;
    if (has_extension(extensions, VK_NV_COOPERATIVE_MATRIX_2_EXTENSION_NAME))
      matrices.pNext = &more_matrices;
  }
  instance.api().GetPhysicalDeviceFeatures2(card, &all);
  facts.has_f16 = of_12.shaderFloat16 != 0;
  facts.has_16_bit_storage = of_11.storageBuffer16BitAccess != 0;
  facts.has_timeline_semaphores = of_12.timelineSemaphore != 0;
  if (sizes.subgroupSizeControl != 0 && sizes.computeFullSubgroups != 0)
    read_subgroup_sizes(instance.api(), card, facts);
  // Shaders with such matrices also need Vulkan's memory model.
  if (matrices.cooperativeMatrix != 0 && of_12.vulkanMemoryModel != 0)
    read_matrices(instance.api(), card, facts);
  facts.has_flexible_matrices =
      !facts.matrices.empty() && more_matrices.cooperativeMatrixFlexibleDimensions != 0;
}

}  // namespace

VulkanFacts read_vulkan_facts(const VulkanInstance& instance, VkPhysicalDevice card) {
  const VulkanApi& api = instance.api();
  VulkanFacts facts;
  auto basic = of_type<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  api.GetPhysicalDeviceProperties2(card, &basic);
  facts.api_major = VK_API_VERSION_MAJOR(basic.properties.apiVersion);
  facts.api_minor = VK_API_VERSION_MINOR(basic.properties.apiVersion);
  facts.name = basic.properties.deviceName;
  if (facts.api_major < 1 || (facts.api_major == 1 && facts.api_minor < 2)) return facts;
  const Extensions extensions = instance.extensions(card);
  read_names(api, card, facts);
  read_limits(api, card, facts);
  facts.has_push_descriptors = has_extension(extensions, VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME);
  facts.has_memory_budget = has_extension(extensions, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  read_features(instance, card, extensions, facts);
  facts.memory_bytes = read_card_memory(api, card, facts.has_memory_budget).total_bytes;
  return facts;
}

CardMemory read_card_memory(const VulkanApi& api, VkPhysicalDevice card, bool has_budget) {
  auto budget = of_type<VkPhysicalDeviceMemoryBudgetPropertiesEXT>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT);
  auto all = of_type<VkPhysicalDeviceMemoryProperties2>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2);
  if (has_budget) all.pNext = &budget;
  api.GetPhysicalDeviceMemoryProperties2(card, &all);
  CardMemory memory;
  for (std::uint32_t i = 0; i < all.memoryProperties.memoryHeapCount; ++i) {
    const VkMemoryHeap& heap = all.memoryProperties.memoryHeaps[i];
    if ((heap.flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) == 0 || heap.size <= memory.total_bytes)
      continue;
    memory = {heap.size, heap.size, 0, 0};
    if (!has_budget) continue;
    memory.used_bytes = budget.heapUsage[i];
    memory.budget_bytes = budget.heapBudget[i];
    memory.free_bytes =
        budget.heapBudget[i] > budget.heapUsage[i] ? budget.heapBudget[i] - budget.heapUsage[i] : 0;
  }
  return memory;
}

}  // namespace semblance
