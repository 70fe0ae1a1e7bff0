#include "device/vulkan_device.h"

#include "device/vulkan_executor.h"

namespace semblance {

VulkanDevice::VulkanDevice(VulkanFacts facts) : VulkanDevice(std::move(facts), Options()) {}

VulkanDevice::VulkanDevice(VulkanFacts facts, Options options)
    : facts_(std::move(facts)), options_(std::move(options)) {}

VulkanDevice::~VulkanDevice() = default;

std::shared_ptr<OpenCard> VulkanDevice::open() const {
  const std::lock_guard guard(mutex_);
  if (!open_ || open_->context.is_lost()) {
    open_.reset();
    open_ = std::make_shared<OpenCard>(facts_, options_.hook, options_.pipeline_folder);
  }
  return open_;
}

std::uint64_t VulkanDevice::copy_bytes() const { return VulkanStaging::kLimitBytes; }

CardMemory VulkanDevice::memory() const { return open()->context.memory(); }

std::optional<std::int64_t> VulkanDevice::free_bytes() const {
  const CardMemory now = memory();
  if (now.budget_bytes == 0) return std::nullopt;
  return static_cast<std::int64_t>(now.budget_bytes) - static_cast<std::int64_t>(now.used_bytes);
}

std::unique_ptr<Executor> VulkanDevice::make_executor(const RegionBytes& bytes) const {
  return std::make_unique<VulkanExecutor>(
      open(), bytes, options_.slab_bytes,
      options_.maps_shared_memory && facts_.shares_host_memory());
}

}  // namespace semblance
