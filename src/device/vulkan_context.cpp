#include "device/vulkan_context.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "memory/budget.h"

namespace semblance {
namespace {

/// How long to wait for submitted work, of which no piece takes more than about a second.
constexpr std::uint64_t kPatienceNs = 600'000'000'000;

VkPhysicalDevice find_card(const VulkanInstance& instance, const VulkanFacts& facts) {
  for (VkPhysicalDevice card : instance.cards()) {
    VkPhysicalDeviceIDProperties id{};
    id.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES;
    VkPhysicalDeviceProperties2 all{};
    all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    all.pNext = &id;
    instance.api().GetPhysicalDeviceProperties2(card, &all);
    std::string uuid;
    for (const std::uint8_t byte : id.deviceUUID) uuid += fmt::format("{:02x}", byte);
    if (uuid == facts.uuid && all.properties.deviceName == facts.name) return card;
  }
  fail(ErrorKind::kDevice, "cannot use the graphics card {}: it is gone\n  use --device cpu",
       facts.name);
}

/// The features that kernels may use, those that the card has.
struct Features {
  explicit Features(const VulkanFacts& facts) {
    all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    all.pNext = &of_11;
    of_11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
    of_11.pNext = &of_12;
    of_11.storageBuffer16BitAccess = to_bool(facts.has_16_bit_storage);
    of_12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
    of_12.timelineSemaphore = VK_TRUE;
    of_12.shaderFloat16 = to_bool(facts.has_f16);
    of_12.vulkanMemoryModel = to_bool(!facts.matrices.empty());
    of_12.pNext = nullptr;
    void** end = &of_12.pNext;
    if (!facts.subgroup_sizes.empty()) {
      sizes.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES;
      sizes.subgroupSizeControl = sizes.computeFullSubgroups = VK_TRUE;
      *end = &sizes;
      end = &sizes.pNext;
    }
    if (!facts.matrices.empty()) {
      matrices.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR;
      matrices.cooperativeMatrix = VK_TRUE;
      *end = &matrices;
    }
    if (!facts.matrices.empty() && facts.has_flexible_matrices) {
      more_matrices.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV;
      more_matrices.cooperativeMatrixFlexibleDimensions = VK_TRUE;
      matrices.pNext = &more_matrices;
    }
  }
  static VkBool32 to_bool(bool value) { return value ? VK_TRUE : VK_FALSE; }

  VkPhysicalDeviceFeatures2 all{};
  VkPhysicalDeviceVulkan11Features of_11{};
  VkPhysicalDeviceVulkan12Features of_12{};
  VkPhysicalDeviceSubgroupSizeControlFeatures sizes{};
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices{};
  VkPhysicalDeviceCooperativeMatrix2FeaturesNV more_matrices{};
};

std::vector<const char*> extensions_of(const VulkanFacts& facts) {
  std::vector<const char*> names{VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME};
  if (facts.has_memory_budget) names.push_back(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  if (!facts.matrices.empty()) {
    names.push_back(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
    if (facts.has_flexible_matrices) names.push_back(VK_NV_COOPERATIVE_MATRIX_2_EXTENSION_NAME);
  }
  const bool is_13 = facts.api_major > 1 || facts.api_minor >= 3;
  if (!facts.subgroup_sizes.empty() && !is_13)
    names.push_back(VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
  return names;
}

}  // namespace

VulkanContext::VulkanContext(const VulkanFacts& facts, const VulkanHook& hook)
    : facts_(facts), instance_(hook), card_(find_card(instance_, facts)) {
  open_device();
}

void VulkanContext::open_device() {
  VkPhysicalDeviceMemoryProperties2 memory{};
  memory.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
  api().GetPhysicalDeviceMemoryProperties2(card_, &memory);
  memory_types_ = memory.memoryProperties;

  std::uint32_t count = 0;
  api().GetPhysicalDeviceQueueFamilyProperties(card_, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  api().GetPhysicalDeviceQueueFamilyProperties(card_, &count, families.data());
  const auto family = std::find_if(families.begin(), families.end(), [](const auto& one) {
    return (one.queueFlags & VK_QUEUE_COMPUTE_BIT) != 0;
  });
  if (family == families.end()) {
    fail(ErrorKind::kDevice,
         "cannot use the graphics card {}: it does not compute\n  use --device cpu", facts_.name);
  }
  queue_family_ = upload_family_ = static_cast<std::uint32_t>(family - families.begin());
  const auto copies = std::find_if(families.begin(), families.end(), [](const auto& one) {
    constexpr VkQueueFlags kOther = VK_QUEUE_SPARSE_BINDING_BIT | VK_QUEUE_PROTECTED_BIT;
    return (one.queueFlags & ~kOther) == VK_QUEUE_TRANSFER_BIT;
  });
  if (copies != families.end())
    upload_family_ = static_cast<std::uint32_t>(copies - families.begin());
  if (family->timestampValidBits > 0) {
    VkPhysicalDeviceProperties2 all{};
    all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    api().GetPhysicalDeviceProperties2(card_, &all);
    timestamp_period_ns_ = static_cast<double>(all.properties.limits.timestampPeriod);
  }

  const float priority = 1;
  std::array<VkDeviceQueueCreateInfo, 2> queues{};
  for (VkDeviceQueueCreateInfo& queue : queues) {
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
  }
  queues[0].queueFamilyIndex = queue_family_;
  queues[1].queueFamilyIndex = upload_family_;
  const Features features(facts_);
  const std::vector<const char*> extensions = extensions_of(facts_);
  VkDeviceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
  info.pNext = &features.all;
  info.queueCreateInfoCount = upload_family_ == queue_family_ ? 1 : 2;
  info.pQueueCreateInfos = queues.data();
  info.enabledExtensionCount = static_cast<std::uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  check_vulkan(api().CreateDevice(card_, &info, nullptr, &device_),
               fmt::format("open the graphics card {}", facts_.name));
  api().GetDeviceQueue(device_, queue_family_, 0, &queue_);
  api().GetDeviceQueue(device_, upload_family_, 0, &upload_queue_);
}

VulkanContext::~VulkanContext() {
  if (is_stuck_) return;  // what it still uses must not be freed
  wait_idle();
  api().DestroyDevice(device_, nullptr);
}

void VulkanContext::wait_idle() const noexcept {
  if (is_stuck_) return;
  const std::lock_guard guard(mutex_);
  if (api().DeviceWaitIdle(device_) == VK_ERROR_DEVICE_LOST) is_lost_ = true;
}

void VulkanContext::check(VkResult result, std::string_view doing) const {
  if (result == VK_ERROR_DEVICE_LOST) is_lost_ = true;
  check_vulkan(result, doing);
}

bool VulkanContext::is_lost() const { return is_lost_; }

CardMemory VulkanContext::memory() const {
  return read_card_memory(api(), card_, facts_.has_memory_budget);
}

std::uint32_t VulkanContext::find_memory(std::uint32_t allowed, VkMemoryPropertyFlags wanted,
                                         VkMemoryPropertyFlags better,
                                         VkMemoryPropertyFlags unwanted) const {
  int best = -1;
  std::uint32_t found = 0;
  for (std::uint32_t i = 0; i < memory_types_.memoryTypeCount; ++i) {
    const VkMemoryPropertyFlags flags = memory_types_.memoryTypes[i].propertyFlags;
    if ((allowed >> i & 1) == 0 || (flags & wanted) != wanted) continue;
    const int score = ((flags & better) == better ? 2 : 0) + ((flags & unwanted) == 0 ? 1 : 0);
    if (score <= best) continue;
    best = score;
    found = i;
  }
  if (best < 0)
    fail(ErrorKind::kDevice,
         "cannot use the graphics card {}: it has no memory of the kind that is needed\n  use "
         "--device cpu",
         facts_.name);
  return found;
}

VulkanBuffer VulkanContext::allocate(std::uint64_t bytes, Kind kind) const {
  VkBufferCreateInfo buffer_info{};
  buffer_info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
  buffer_info.size = bytes;
  buffer_info.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  if (kind != Kind::kHost) buffer_info.usage |= VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
  const std::array families{queue_family_, upload_family_};
  buffer_info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  if (queue_family_ != upload_family_) {
    buffer_info.sharingMode = VK_SHARING_MODE_CONCURRENT;
    buffer_info.queueFamilyIndexCount = 2;
    buffer_info.pQueueFamilyIndices = families.data();
  }
  const std::string doing = fmt::format(
      "get {} {}", bytes_text(bytes),
      kind == Kind::kHost ? "for copies to and from the graphics card" : "on the graphics card");
  VulkanBuffer result;
  result.bytes = bytes;
  result.buffer = create(api().CreateBuffer, api().DestroyBuffer, buffer_info, doing);
  VkMemoryRequirements needs{};
  api().GetBufferMemoryRequirements(device_, result.buffer.get(), &needs);
  VkMemoryAllocateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
  info.allocationSize = needs.size;
  // Host memory that lies on the card is scarce and slow to read; card memory that the host sees is
  // often a small window of it.
  constexpr VkMemoryPropertyFlags kMapped =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  constexpr VkMemoryPropertyFlags kLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  const std::uint32_t types = needs.memoryTypeBits;
  switch (kind) {
    case Kind::kCard:
      info.memoryTypeIndex = find_memory(types, kLocal, 0, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);
      break;
    case Kind::kMappedCard:
      info.memoryTypeIndex = find_memory(types, kMapped, kLocal, 0);
      break;
    case Kind::kHost:
      info.memoryTypeIndex =
          find_memory(types, kMapped, VK_MEMORY_PROPERTY_HOST_CACHED_BIT, kLocal);
  }
  result.memory = create(api().AllocateMemory, api().FreeMemory, info, doing);
  check(api().BindBufferMemory(device_, result.buffer.get(), result.memory.get(), 0), doing);
  if (kind != Kind::kCard) map(result);
  return result;
}

void VulkanContext::map(VulkanBuffer& buffer) const {
  void* mapped = nullptr;
  check(api().MapMemory(device_, buffer.memory.get(), 0, VK_WHOLE_SIZE, 0, &mapped),
        fmt::format("map {} for copies to and from the graphics card", bytes_text(buffer.bytes)));
  buffer.mapped = {static_cast<std::byte*>(mapped), buffer.bytes};
}

VulkanBuffer VulkanContext::card_memory(std::uint64_t bytes, bool is_mapped) const {
  const std::uint64_t free = memory().free_bytes;
  if (bytes > free || bytes > facts_.largest_block_bytes) {
    fail(ErrorKind::kMemory,
         "cannot get {} on the graphics card {}: {} {}\n  close other programs that use the card, "
         "or give --gpu-memory less",
         bytes_text(bytes), facts_.name, bytes_text(std::min(free, facts_.largest_block_bytes)),
         bytes > free ? "is free" : "is the most in one piece");
  }
  return allocate(bytes, is_mapped ? Kind::kMappedCard : Kind::kCard);
}

VulkanBuffer VulkanContext::host_memory(std::uint64_t bytes) const {
  return allocate(bytes, Kind::kHost);
}

void VulkanContext::submit(Queue queue, const VkSubmitInfo& info) const {
  const std::lock_guard guard(mutex_);
  check(api().QueueSubmit(queue == Queue::kCompute ? queue_ : upload_queue_, 1, &info,
                          VK_NULL_HANDLE),
        fmt::format("compute on the graphics card {}", facts_.name));
}

VulkanHandle<VkSemaphore> VulkanContext::timeline() const {
  VkSemaphoreTypeCreateInfo type{};
  type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  VkSemaphoreCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
  info.pNext = &type;
  return create(api().CreateSemaphore, api().DestroySemaphore, info,
                "prepare the graphics card for a run");
}

std::uint64_t VulkanContext::value_of(VkSemaphore timeline) const {
  std::uint64_t value = 0;
  check(api().GetSemaphoreCounterValue(device_, timeline, &value),
        fmt::format("compute on the graphics card {}", facts_.name));
  return value;
}

void VulkanContext::wait(VkSemaphore timeline, std::uint64_t value) const {
  VkSemaphoreWaitInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO;
  info.semaphoreCount = 1;
  info.pSemaphores = &timeline;
  info.pValues = &value;
  const VkResult result = api().WaitSemaphores(device_, &info, kPatienceNs);
  check(result, fmt::format("compute on the graphics card {}", facts_.name));
  if (result != VK_TIMEOUT) return;
  is_lost_ = is_stuck_ = true;
  fail(ErrorKind::kDevice,
       "cannot compute on the graphics card {}: it did not finish its work in {} seconds\n  update "
       "its driver, or use --device cpu",
       facts_.name, kPatienceNs / 1'000'000'000);
}

}  // namespace semblance
