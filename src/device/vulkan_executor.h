// Runs a session's kernels on a card. The regions are memory on the card; views are copies in
// pinned host memory. Work is recorded by run() and handed over in pieces, and what was written to
// a view is copied beside it; only reading waits.
#pragma once

#include <memory>
#include <vector>

#include "device/vulkan_pipelines.h"
#include "device/vulkan_staging.h"
#include "device/vulkan_stream.h"
#include "runtime/device.h"

namespace semblance {

/// An opened card.
struct OpenCard {
  OpenCard(const VulkanFacts& facts, const VulkanHook& hook, const std::filesystem::path& folder)
      : context(facts, hook), pipelines(context, folder) {}
  VulkanContext context;
  VulkanPipelines pipelines;
};

class VulkanExecutor : public Executor {
 public:
  /// Throws Error(kMemory), Error(kDevice).
  VulkanExecutor(std::shared_ptr<OpenCard> card, const RegionBytes& bytes,
                 std::uint64_t slab_bytes);
  ~VulkanExecutor() override;

  /// Compiles the kernel's shaders if they are new. Throws Error(kMemory) if a place is larger than
  /// the card can bind, and what VulkanPipelines::of throws.
  std::size_t prepare(const Kernel& kernel, const KernelPlaces& places) override;
  void run(std::size_t command) override;
  std::span<std::byte> begin_write(const DevicePlace& place) override;
  void end_write(const DevicePlace& place) override;
  std::span<const std::byte> begin_read(const DevicePlace& place) override;
  void end_read(const DevicePlace& place) override;
  void abandon() noexcept override;

 private:
  struct Launch {
    VulkanPipeline pipeline;
    std::vector<VkDescriptorBufferInfo> buffers;
    std::vector<BarrierTracker::Use> uses;
    std::vector<std::uint32_t> push;
    std::array<std::uint32_t, 3> groups{};
    double work = 0;
  };
  struct View {
    DevicePlace place;
    VulkanStaging::Block* block = nullptr;  // null for a place of no bytes
  };
  using Views = std::vector<View>;

  Launch launch_of(const Dispatch& dispatch, double operations);
  VkDescriptorBufferInfo binding_of(const Dispatch& dispatch, const DevicePlace& place) const;
  /// Where a place lies.
  struct Range {
    VkBuffer buffer = VK_NULL_HANDLE;
    std::uint64_t offset = 0;
  };
  Range range_of(const DevicePlace& place) const;
  static View take(Views& views, const DevicePlace& place);

  const std::shared_ptr<OpenCard> card_;
  const RegionBytes bytes_;
  VulkanStream stream_;
  VulkanUploads uploads_;
  VulkanStaging staging_;
  const std::uint64_t slab_bytes_;
  VulkanBuffer arena_;
  std::vector<VulkanBuffer> resident_;  // pieces of slab_bytes_, the last one smaller
  std::vector<std::vector<Launch>> commands_;
  Views writes_, reads_;
  // Only where the card's memory is the host's.
  Counted arena_count_{Tag::kActivations}, resident_count_{Tag::kWeights};
};

}  // namespace semblance
