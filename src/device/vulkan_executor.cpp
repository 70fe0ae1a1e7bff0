#include "device/vulkan_executor.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/integers.h"
#include "memory/budget.h"
#include "planner/plan.h"

namespace semblance {
namespace {

/// Operations that take as long as moving a byte, roughly, on a card.
constexpr double kOperationsPerByte = 30;

/// Size of copies between places that overlap.
constexpr std::uint64_t kBounceBytes = std::uint64_t{16} << 20;

}  // namespace

VulkanExecutor::VulkanExecutor(std::shared_ptr<OpenCard> card, const RegionBytes& bytes,
                               std::uint64_t slab_bytes, bool is_mapped)
    : card_(std::move(card)),
      bytes_(bytes),
      stream_(card_->context),
      uploads_(card_->context, stream_),
      staging_(card_->context, uploads_),
      slab_bytes_(slab_bytes),
      is_mapped_(is_mapped) {
  make_arena();
  for (const std::uint64_t size : slab_sizes())
    resident_.push_back(card_->context.card_memory(size, is_mapped_));
  if (card_->context.facts().shares_host_memory()) resident_count_.set(bytes.resident);
}

void VulkanExecutor::make_arena() {
  // Bindings are rounded up to words.
  if (bytes_.arena > 0)
    arena_ = card_->context.card_memory(round_up(bytes_.arena, kPlaceAlignment), is_mapped_);
  if (card_->context.facts().shares_host_memory()) arena_count_.set(bytes_.arena);
}

std::vector<std::uint64_t> VulkanExecutor::slab_sizes() const {
  std::vector<std::uint64_t> sizes;
  for (std::uint64_t done = 0; done < bytes_.resident; done += slab_bytes_)
    sizes.push_back(std::min(round_up(bytes_.resident - done, kPlaceAlignment), slab_bytes_));
  return sizes;
}

VulkanExecutor::~VulkanExecutor() {
  abandon();
  card_->pipelines.save();
}

VulkanExecutor::Range VulkanExecutor::range_of(const DevicePlace& place) const {
  const bool in_arena = place.region == Region::kArena;
  const std::uint64_t size = in_arena ? bytes_.arena : bytes_.resident;
  SEMBLANCE_ASSERT(place.offset <= size && place.bytes <= size - place.offset);
  if (in_arena || place.bytes == 0) return {&arena_, place.offset};
  const std::uint64_t slab = place.offset / slab_bytes_;
  const std::uint64_t offset = place.offset % slab_bytes_;
  SEMBLANCE_ASSERT(place.bytes <= slab_bytes_ - offset);
  return {&resident_[slab], offset};
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
  const Range range = range_of(place);
  return {range.buffer(), range.offset, bytes};
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
  const Range range = range_of(place);
  writes_.push_back({place, nullptr});
  if (place.bytes == 0) return {};
  if (is_mapped_) {
    stream_.wait(stream_.last_use(place));
    return range.in->mapped.subspan(range.offset, place.bytes);
  }
  writes_.back().block = &staging_.take(place.bytes);
  return writes_.back().block->memory.mapped.first(place.bytes);
}

void VulkanExecutor::end_write(const DevicePlace& place) {
  const View view = take(writes_, place);
  if (view.block == nullptr) return;
  const Range range = range_of(place);
  const VulkanUploads::Ticket ticket =
      uploads_.add(place, view.block->memory.buffer.get(), range.buffer(), range.offset);
  VulkanStaging::give_back(*view.block, ticket);
}

bool VulkanExecutor::start_read(const DevicePlace& place) {
  const Range range = range_of(place);
  if (place.bytes == 0) {
    started_.push_back({{place, nullptr}, 0});
    return true;
  }
  VulkanStaging::Block& block = staging_.take(place.bytes);
  started_.push_back({{place, &block}, 0});
  const BarrierTracker::Use use{place, false};
  uploads_.order({&use, 1});
  const VkCommandBuffer commands =
      stream_.record({&use, 1}, kOperationsPerByte * static_cast<double>(place.bytes));
  const VkBufferCopy copy{range.offset, 0, place.bytes};
  card_->context.api().CmdCopyBuffer(commands, range.buffer(), block.memory.buffer.get(), 1, &copy);
  stream_.show_to_host();
  started_.back().ticket = stream_.ticket();
  return true;
}

std::deque<VulkanExecutor::Read>::iterator VulkanExecutor::find_started(const DevicePlace& place) {
  return std::find_if(started_.begin(), started_.end(),
                      [&](const Read& read) { return read.view.place == place; });
}

bool VulkanExecutor::is_read(const DevicePlace& place) {
  const auto found = find_started(place);
  SEMBLANCE_ASSERT(found != started_.end());
  return stream_.is_done(found->ticket);
}

std::span<const std::byte> VulkanExecutor::begin_read(const DevicePlace& place) {
  if (find_started(place) == started_.end()) start_read(place);
  const auto found = find_started(place);
  const Read read = *found;
  stream_.wait(read.ticket);
  started_.erase(found);
  reads_.push_back(read.view);
  if (read.view.block == nullptr) return {};
  return read.view.block->memory.mapped.first(place.bytes);
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
  started_.clear();
  staging_.close_all();
}

bool VulkanExecutor::keep_resident() {
  try {
    uploads_.wait_all();
    stream_.wait(stream_.ticket());
  } catch (const Error&) {
    return false;
  }
  writes_.clear();
  reads_.clear();
  started_.clear();
  staging_.free_all();
  commands_.clear();
  arena_ = {};
  arena_count_.set(0);
  return true;
}

/// Copies within the resident region, of which some pieces are in `old` and the others are as they
/// were.
void VulkanExecutor::move(const Move& move, const std::vector<VulkanBuffer>& old) {
  const std::uint64_t from_slab = move.from / slab_bytes_;
  const bool is_old = from_slab < old.size() && old[from_slab].buffer;
  const VulkanBuffer& from = is_old ? old[from_slab] : resident_[from_slab];
  const VulkanBuffer& to = resident_[move.to / slab_bytes_];
  if (&from == &to && move.from == move.to) return;
  const DevicePlace src{Region::kResident, move.from, move.bytes};
  const DevicePlace dst{Region::kResident, move.to, move.bytes};
  const auto copy = [&](const VulkanBuffer& a, std::uint64_t at_a, const VulkanBuffer& b,
                        std::uint64_t at_b, std::uint64_t bytes) {
    const std::array uses{BarrierTracker::Use{src, true}, BarrierTracker::Use{dst, true}};
    uploads_.order(uses);
    const VkCommandBuffer commands =
        stream_.record(uses, kOperationsPerByte * static_cast<double>(bytes));
    const VkBufferCopy range{at_a, at_b, bytes};
    card_->context.api().CmdCopyBuffer(commands, a.buffer.get(), b.buffer.get(), 1, &range);
  };
  const std::uint64_t begin = move.from % slab_bytes_;
  const std::uint64_t end = move.to % slab_bytes_;
  if (&from != &to || !overlap(src, dst)) {
    copy(from, begin, to, end, move.bytes);
    return;
  }
  // In parts through another place, each before the next overwrites it.
  const std::uint64_t step = std::min(move.bytes, kBounceBytes);
  const VulkanBuffer bounce = card_->context.card_memory(step, false);
  const std::uint64_t parts = (move.bytes + step - 1) / step;
  for (std::uint64_t i = 0; i < parts; ++i) {
    const std::uint64_t part = (move.to < move.from ? i : parts - 1 - i) * step;
    const std::uint64_t bytes = std::min(step, move.bytes - part);
    copy(from, begin + part, bounce, 0, bytes);
    copy(bounce, 0, to, end + part, bytes);
  }
  stream_.wait(stream_.ticket());
}

void VulkanExecutor::restart(const RegionBytes& bytes, std::span<const Move> moves) {
  bytes_ = bytes;
  std::vector<VulkanBuffer> old = std::exchange(resident_, {});
  for (const std::uint64_t size : slab_sizes()) {
    const std::size_t slab = resident_.size();
    const bool stays = slab < old.size() && old[slab].bytes == size;
    resident_.push_back(stays ? std::move(old[slab])
                              : card_->context.card_memory(size, is_mapped_));
  }
  // The order of the places does not change: those that move down have room if the ones below moved
  // before, those that move up if the ones above did.
  for (const Move& one : moves) {
    if (one.to <= one.from) move(one, old);
  }
  for (auto one = moves.rbegin(); one != moves.rend(); ++one) {
    if (one->to > one->from) move(*one, old);
  }
  stream_.wait(stream_.ticket());
  old.clear();
  make_arena();
  if (card_->context.facts().shares_host_memory()) resident_count_.set(bytes.resident);
}

}  // namespace semblance
