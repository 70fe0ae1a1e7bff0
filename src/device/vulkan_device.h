// A graphics card, through Vulkan.
#pragma once

#include <filesystem>
#include <memory>

#include "device/vulkan_api.h"
#include "device/vulkan_facts.h"
#include "device/vulkan_pipelines.h"
#include "runtime/device.h"

namespace semblance {

/// Runs VulkanKernels. The card is opened by the first executor; kernels can be chosen, and runs
/// planned, without. A card that stopped working is opened anew for the next executor.
class VulkanDevice : public Device {
 public:
  struct Options {
    /// Where compiled shaders are kept between runs; not kept if empty.
    std::filesystem::path pipeline_folder = semblance::pipeline_folder();
    VulkanHook hook = {};  // for tests
    /// Size of the pieces of weights' memory: drivers give at most 4 GiB at once.
    std::uint64_t slab_bytes = std::uint64_t{1} << 30;
    /// Lets the host write to places on a card that shares its memory, without copies.
    bool maps_shared_memory = true;
  };

  /// The facts must be of a usable card (find_cards).
  explicit VulkanDevice(VulkanFacts facts);
  VulkanDevice(VulkanFacts facts, Options options);
  ~VulkanDevice() override;

  const VulkanFacts& facts() const { return facts_; }
  std::string name() const override { return facts_.name; }
  std::string driver() const override { return facts_.driver + " " + facts_.driver_version; }
  std::uint64_t largest_value_bytes() const override { return facts_.largest_binding_bytes; }
  std::uint64_t slab_bytes() const override { return options_.slab_bytes; }
  std::uint64_t copy_bytes() const override;
  /// The card's memory now. Opens the card, like make_executor().
  CardMemory memory() const;
  std::optional<std::int64_t> free_bytes() const override;
  /// Throws Error(kMemory) if the card has less memory free, Error(kDevice) if it cannot be opened.
  std::unique_ptr<Executor> make_executor(const RegionBytes& bytes) const override;

 private:
  std::shared_ptr<struct OpenCard> open() const;

  const VulkanFacts facts_;
  const Options options_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<OpenCard> open_;  // guarded by mutex_; null before the first use
};

}  // namespace semblance
