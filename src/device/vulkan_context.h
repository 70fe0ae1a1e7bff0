// A card in use: its logical device, its queues and its memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <utility>

#include "device/read_vulkan_facts.h"
#include "device/vulkan_instance.h"

namespace semblance {

/// Calls `destroy` with a handle when it goes out of scope.
template <typename Handle>
class VulkanHandle {
 public:
  VulkanHandle() = default;
  VulkanHandle(Handle handle, VkDevice device,
               void(VKAPI_PTR* destroy)(VkDevice, Handle, const VkAllocationCallbacks*))
      : handle_(handle), device_(device), destroy_(destroy) {}
  ~VulkanHandle() { reset(); }
  VulkanHandle(VulkanHandle&& other) noexcept
      : handle_(std::exchange(other.handle_, VK_NULL_HANDLE)),
        device_(other.device_),
        destroy_(other.destroy_) {}
  VulkanHandle& operator=(VulkanHandle&& other) noexcept {
    if (this == &other) return *this;
    reset();
    handle_ = std::exchange(other.handle_, VK_NULL_HANDLE);
    device_ = other.device_;
    destroy_ = other.destroy_;
    return *this;
  }
  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != VK_NULL_HANDLE; }

 private:
  void reset() {
    if (handle_ != VK_NULL_HANDLE) destroy_(device_, handle_, nullptr);
    handle_ = VK_NULL_HANDLE;
  }
  Handle handle_ = VK_NULL_HANDLE;
  VkDevice device_ = VK_NULL_HANDLE;
  void(VKAPI_PTR* destroy_)(VkDevice, Handle, const VkAllocationCallbacks*) = nullptr;
};

/// A buffer with memory of its own.
struct VulkanBuffer {
  VulkanHandle<VkDeviceMemory> memory;  // freed after the buffer
  VulkanHandle<VkBuffer> buffer;
  std::uint64_t bytes = 0;
  std::span<std::byte> mapped;  // only of host memory
};

/// Where work is handed over: to compute and copy, or only to copy from the host. The same queue on
/// cards without one for copies.
enum class Queue : std::uint8_t { kCompute, kUpload };

/// Thread-safe.
class VulkanContext {
 public:
  /// Opens the card with this uuid. Throws Error(kDevice), Error(kMemory), Error(kMissing).
  VulkanContext(const VulkanFacts& facts, const VulkanHook& hook);
  ~VulkanContext();
  VulkanContext(const VulkanContext&) = delete;
  VulkanContext& operator=(const VulkanContext&) = delete;

  const VulkanFacts& facts() const { return facts_; }
  const VulkanApi& api() const { return instance_.api(); }
  VkDevice device() const { return device_; }
  std::uint32_t queue_family(Queue queue) const {
    return queue == Queue::kCompute ? queue_family_ : upload_family_;
  }
  bool has_timestamps() const { return timestamp_period_ns_ > 0; }
  double timestamp_period_ns() const { return timestamp_period_ns_; }

  /// Memory on the card, of undefined content; mapped and coherent if `is_mapped`, for cards that
  /// share the host's memory. Throws Error(kMemory), with what is free, if the card has less or the
  /// driver refuses.
  VulkanBuffer card_memory(std::uint64_t bytes, bool is_mapped) const;
  /// Memory of the host that the card can copy from and to; mapped and coherent.
  VulkanBuffer host_memory(std::uint64_t bytes) const;
  CardMemory memory() const;

  /// Hands work to the card. Throws as check_vulkan does; losing the card marks this as lost.
  void submit(Queue queue, const VkSubmitInfo& info) const;
  /// A timeline semaphore of value 0.
  VulkanHandle<VkSemaphore> timeline() const;
  std::uint64_t value_of(VkSemaphore timeline) const;
  /// Waits until the timeline semaphore has reached `value`.
  void wait(VkSemaphore timeline, std::uint64_t value) const;
  /// Waits until the card has nothing left to do, or is lost.
  void wait_idle() const noexcept;
  /// Whether the card has stopped working: this context is of no more use.
  bool is_lost() const;

  template <typename Handle, typename Info>
  VulkanHandle<Handle> create(VkResult(VKAPI_PTR* function)(VkDevice, const Info*,
                                                            const VkAllocationCallbacks*, Handle*),
                              void(VKAPI_PTR* destroy)(VkDevice, Handle,
                                                       const VkAllocationCallbacks*),
                              const Info& info, std::string_view doing) const {
    Handle handle = VK_NULL_HANDLE;
    check(function(device_, &info, nullptr, &handle), doing);
    return {handle, device_, destroy};
  }
  /// check_vulkan(), noticing a lost card.
  void check(VkResult result, std::string_view doing) const;

 private:
  void open_device();
  std::uint32_t find_memory(std::uint32_t allowed, VkMemoryPropertyFlags wanted,
                            VkMemoryPropertyFlags better, VkMemoryPropertyFlags unwanted) const;
  enum class Kind : std::uint8_t { kCard, kMappedCard, kHost };
  VulkanBuffer allocate(std::uint64_t bytes, Kind kind) const;
  void map(VulkanBuffer& buffer) const;

  const VulkanFacts facts_;
  VulkanInstance instance_;
  VkPhysicalDevice card_ = VK_NULL_HANDLE;
  VkPhysicalDeviceMemoryProperties memory_types_{};
  std::uint32_t queue_family_ = 0;
  std::uint32_t upload_family_ = 0;  // the same if the card has none that only copies
  double timestamp_period_ns_ = 0;
  VkDevice device_ = VK_NULL_HANDLE;
  VkQueue queue_ = VK_NULL_HANDLE;
  VkQueue upload_queue_ = VK_NULL_HANDLE;
  mutable std::mutex mutex_;  // guards the queues
  mutable std::atomic<bool> is_lost_ = false;
  mutable std::atomic<bool> is_stuck_ = false;  // it never ends its work
};

}  // namespace semblance
