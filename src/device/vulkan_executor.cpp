#include "device/vulkan_executor.h"

#include <algorithm>
#include <array>

#include "core/integers.h"
#include "memory/budget.h"
#include "planner/plan.h"

namespace semblance {
namespace {

/// Operations that take as long as moving a byte, roughly, on a card.
constexpr double kOperationsPerByte = 30;

}  // namespace

VulkanExecutor::VulkanExecutor(std::shared_ptr<OpenCard> card, const RegionBytes& bytes,
                               std::uint64_t slab_bytes)
    : card_(std::move(card)),
      bytes_(bytes),
      stream_(card_->context),
      uploads_(card_->context, stream_),
      staging_(card_->context, uploads_),
      slab_bytes_(slab_bytes) {
  const VulkanContext& context = card_->context;
  // Bindings are rounded up to words.
  if (bytes.arena > 0) arena_ = context.card_memory(round_up(bytes.arena, kPlaceAlignment));
  for (std::uint64_t done = 0; done < bytes.resident; done += slab_bytes_) {
    const std::uint64_t left = round_up(bytes.resident - done, kPlaceAlignment);
    resident_.push_back(context.card_memory(std::min(left, slab_bytes_)));
  }
  if (!context.facts().shares_host_memory()) return;
  arena_count_.set(bytes.arena);
  resident_count_.set(bytes.resident);
}

VulkanExecutor::~VulkanExecutor() {
  abandon();
  card_->pipelines.save();
}

VulkanExecutor::Range VulkanExecutor::range_of(const DevicePlace& place) const {
  const bool in_arena = place.region == Region::kArena;
  const std::uint64_t size = in_arena ? bytes_.arena : bytes_.resident;
  SEMBLANCE_ASSERT(place.offset <= size && place.bytes <= size - place.offset);
  if (in_arena || place.bytes == 0) return {arena_.buffer.get(), place.offset};
  const std::uint64_t slab = place.offset / slab_bytes_;
  const std::uint64_t offset = place.offset % slab_bytes_;
  SEMBLANCE_ASSERT(place.bytes <= slab_bytes_ - offset);
  return {resident_[slab].buffer.get(), offset};
}

VkDescriptorBufferInfo VulkanExecutor::binding_of(const Dispatch& dispatch,
                                                  const DevicePlace& place) const {
  SEMBLANCE_ASSERT(place.bytes > 0 && place.offset % kPlaceAlignment == 0);
  const std::uint64_t bytes = round_up(place.bytes, sizeof(std::uint32_t));
  const VulkanFacts& facts = card_->context.facts();
  if (bytes > facts.largest_binding_bytes) {
    fail(
        ErrorKind::kMemory,
        "cannot compute on the graphics card {}: {} needs {} in one piece, and its driver binds {} "
        "at most\n  try a smaller --size or --gpu-memory, or use --device cpu",
        facts.name, dispatch.shader->name, bytes_text(bytes),
        bytes_text(facts.largest_binding_bytes));
  }
  const auto [buffer, offset] = range_of(place);
  return {buffer, offset, bytes};
}

VulkanExecutor::Launch VulkanExecutor::launch_of(const Dispatch& dispatch, double operations) {
  SEMBLANCE_ASSERT(dispatch.shader != nullptr && !dispatch.buffers.empty());
  SEMBLANCE_ASSERT(dispatch.buffers.size() <= kMostBuffers);
  SEMBLANCE_ASSERT(dispatch.push.size() * sizeof(std::uint32_t) <= kMostPushBytes);
  for (std::size_t i = 0; i < dispatch.groups.size(); ++i)
    SEMBLANCE_ASSERT(dispatch.groups[i] <= card_->context.facts().most_groups[i]);
  Launch launch;
  const int writes_from = dispatch.writes_from >= 0 ? dispatch.writes_from
                                                    : static_cast<int>(dispatch.buffers.size()) - 1;
  for (const DevicePlace& place : dispatch.buffers) {
    launch.buffers.push_back(binding_of(dispatch, place));
    launch.uses.push_back({place, static_cast<int>(launch.uses.size()) >= writes_from});
    launch.work += kOperationsPerByte * static_cast<double>(place.bytes);
  }
  launch.work += operations;
  launch.pipeline = card_->pipelines.of(dispatch);
  launch.push = dispatch.push;
  launch.groups = dispatch.groups;
  return launch;
}

std::size_t VulkanExecutor::prepare(const Kernel& kernel, const KernelPlaces& places) {
  const auto* const vulkan = dynamic_cast<const VulkanKernel*>(&kernel);
  SEMBLANCE_ASSERT(vulkan != nullptr);
  const std::vector<Dispatch> dispatches = vulkan->dispatches(places);
  std::vector<Launch> launches;
  launches.reserve(dispatches.size());
  for (const Dispatch& dispatch : dispatches) {
    const bool is_empty = std::any_of(dispatch.groups.begin(), dispatch.groups.end(),
                                      [](std::uint32_t count) { return count == 0; });
    if (is_empty) continue;
    launches.push_back(
        launch_of(dispatch, vulkan->operations() / static_cast<double>(dispatches.size())));
  }
  commands_.push_back(std::move(launches));
  return commands_.size() - 1;
}

void VulkanExecutor::run(std::size_t command) {
  const VulkanApi& api = card_->context.api();
  for (const Launch& launch : commands_[command]) {
    std::array<VkWriteDescriptorSet, kMostBuffers> writes{};
    for (std::size_t i = 0; i < launch.buffers.size(); ++i) {
      writes[i].sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
      writes[i].dstBinding = static_cast<std::uint32_t>(i);
      writes[i].descriptorCount = 1;
      writes[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
      writes[i].pBufferInfo = &launch.buffers[i];
    }
    uploads_.order(launch.uses);
    const VkCommandBuffer commands = stream_.record(launch.uses, launch.work);
    const auto [pipeline, layout] = launch.pipeline;
    api.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    api.CmdPushDescriptorSetKHR(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0,
                                static_cast<std::uint32_t>(launch.buffers.size()), writes.data());
    if (!launch.push.empty()) {
      api.CmdPushConstants(commands, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                           static_cast<std::uint32_t>(launch.push.size() * sizeof(std::uint32_t)),
                           launch.push.data());
    }
    api.CmdDispatch(commands, launch.groups[0], launch.groups[1], launch.groups[2]);
  }
}

VulkanExecutor::View VulkanExecutor::take(Views& views, const DevicePlace& place) {
  const auto found = std::find_if(views.begin(), views.end(),
                                  [&](const View& view) { return view.place == place; });
  SEMBLANCE_ASSERT(found != views.end());
  const View view = *found;
  views.erase(found);
  return view;
}

std::span<std::byte> VulkanExecutor::begin_write(const DevicePlace& place) {
  range_of(place);  // checks it
  View view{place, nullptr};
  if (place.bytes > 0) view.block = &staging_.take(place.bytes);
  writes_.push_back(view);
  return view.block != nullptr ? view.block->memory.mapped.first(place.bytes)
                               : std::span<std::byte>();
}

void VulkanExecutor::end_write(const DevicePlace& place) {
  const View view = take(writes_, place);
  if (view.block == nullptr) return;
  const auto [buffer, offset] = range_of(place);
  const VulkanUploads::Ticket ticket =
      uploads_.add(place, view.block->memory.buffer.get(), buffer, offset);
  VulkanStaging::give_back(*view.block, ticket);
}

std::span<const std::byte> VulkanExecutor::begin_read(const DevicePlace& place) {
  range_of(place);  // checks it
  if (place.bytes == 0) {
    reads_.push_back({place, nullptr});
    return {};
  }
  VulkanStaging::Block& block = staging_.take(place.bytes);
  const BarrierTracker::Use use{place, false};
  uploads_.order({&use, 1});
  const auto [buffer, offset] = range_of(place);
  const VkCommandBuffer commands =
      stream_.record({&use, 1}, kOperationsPerByte * static_cast<double>(place.bytes));
  const VkBufferCopy range{offset, 0, place.bytes};
  card_->context.api().CmdCopyBuffer(commands, buffer, block.memory.buffer.get(), 1, &range);
  stream_.show_to_host();
  stream_.wait(stream_.ticket());
  reads_.push_back({place, &block});
  return block.memory.mapped.first(place.bytes);
}

void VulkanExecutor::end_read(const DevicePlace& place) {
  const View view = take(reads_, place);
  if (view.block != nullptr) VulkanStaging::give_back(*view.block, 0);
}

void VulkanExecutor::abandon() noexcept {
  uploads_.finish();
  stream_.discard();
  writes_.clear();
  reads_.clear();
  staging_.close_all();
}

}  // namespace semblance
