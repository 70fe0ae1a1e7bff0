// Runs a session's kernels on a card. The regions are memory on the card; views are copies in
// pinned host memory. Work is recorded by run() and handed over in pieces, and what was written to
// a view is copied beside it; only reading waits. The places of a card that shares the host's
// memory can be mapped: then what is written goes there without a copy.
#pragma once

#include <deque>
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
  VulkanExecutor(std::shared_ptr<OpenCard> card, const RegionBytes& bytes, std::uint64_t slab_bytes,
                 bool is_mapped);
  ~VulkanExecutor() override;

  /// Compiles the kernel's shaders if they are new. Throws Error(kMemory) if a place is larger than
  /// the card can bind, and what VulkanPipelines::of throws.
  std::size_t prepare(const Kernel& kernel, const KernelPlaces& places) override;
  void run(std::size_t command) override;
  std::span<std::byte> begin_write(const DevicePlace& place) override;
  void end_write(const DevicePlace& place) override;
  std::span<const std::byte> begin_read(const DevicePlace& place) override;
  void end_read(const DevicePlace& place) override;
  bool start_read(const DevicePlace& place) override;
  bool is_read(const DevicePlace& place) override;
  void abandon() noexcept override;
  bool keep_resident() override;
  void restart(const RegionBytes& bytes, std::span<const Move> moves) override;

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
    VulkanStaging::Block* block = nullptr;  // null for a place of no bytes or one that is mapped
  };
  using Views = std::vector<View>;
  /// A copy to the host.
  struct Read {
    View view;
    VulkanStream::Ticket ticket = 0;
  };

  Launch launch_of(const Dispatch& dispatch, double operations);
  VkDescriptorBufferInfo binding_of(const Dispatch& dispatch, const DevicePlace& place) const;
  /// Where a place lies.
  struct Range {
    const VulkanBuffer* in = nullptr;
    std::uint64_t offset = 0;
    VkBuffer buffer() const { return in->buffer.get(); }
  };
  Range range_of(const DevicePlace& place) const;
  void make_arena();
  std::vector<std::uint64_t> slab_sizes() const;
  void move(const Move& move, const std::vector<VulkanBuffer>& old);
  static View take(Views& views, const DevicePlace& place);
  std::deque<Read>::iterator find_started(const DevicePlace& place);

  const std::shared_ptr<OpenCard> card_;
  RegionBytes bytes_;
  VulkanStream stream_;
  VulkanUploads uploads_;
  VulkanStaging staging_;
  const std::uint64_t slab_bytes_;
  const bool is_mapped_;
  VulkanBuffer arena_;
  std::vector<VulkanBuffer> resident_;  // pieces of slab_bytes_, the last one smaller
  std::vector<std::vector<Launch>> commands_;
  Views writes_, reads_;
  std::deque<Read> started_;  // reads that have not begun
  // Only where the card's memory is the host's.
  Counted arena_count_{Tag::kActivations}, resident_count_{Tag::kWeights};
};

}  // namespace semblance
