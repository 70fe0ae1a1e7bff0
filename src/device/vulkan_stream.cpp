#include "device/vulkan_stream.h"

#include <algorithm>

namespace semblance {
namespace {

constexpr double kPieceSeconds = 0.1;
constexpr VkPipelineStageFlags kStages =
    VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
constexpr VkAccessFlags kWrites = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
constexpr VkAccessFlags kAll = kWrites | VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;

/// Operations per second before anything was measured: too low rather than too high.
double first_rate(CardType type) {
  switch (type) {
    case CardType::kDiscrete:
      return 1e12;
    case CardType::kSoftware:
      return 2e9;
    default:
      return 1e11;
  }
}

}  // namespace

VulkanStream::VulkanStream(const VulkanContext& context)
    : context_(context), rate_(first_rate(context.facts().type)) {
  for (Piece& piece : pieces_) piece = make_piece();
  VkSemaphoreTypeCreateInfo type{};
  type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  VkSemaphoreCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
  info.pNext = &type;
  semaphore_ = context_.create(context_.api().CreateSemaphore, context_.api().DestroySemaphore,
                               info, "prepare the graphics card for a run");
}

VulkanStream::~VulkanStream() { discard(); }

VulkanStream::Piece VulkanStream::make_piece() const {
  constexpr std::string_view kDoing = "prepare the graphics card for a run";
  const VulkanApi& api = context_.api();
  Piece piece;
  VkCommandPoolCreateInfo pool{};
  pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
  pool.flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT;
  pool.queueFamilyIndex = context_.queue_family();
  piece.pool = context_.create(api.CreateCommandPool, api.DestroyCommandPool, pool, kDoing);
  VkCommandBufferAllocateInfo commands{};
  commands.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
  commands.commandPool = piece.pool.get();
  commands.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  commands.commandBufferCount = 1;
  context_.check(api.AllocateCommandBuffers(context_.device(), &commands, &piece.commands), kDoing);
  if (!context_.has_timestamps()) return piece;
  VkQueryPoolCreateInfo times{};
  times.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO;
  times.queryType = VK_QUERY_TYPE_TIMESTAMP;
  times.queryCount = 2;
  piece.times = context_.create(api.CreateQueryPool, api.DestroyQueryPool, times, kDoing);
  return piece;
}

void VulkanStream::begin() {
  if (ticket_ + 1 > kPieces) wait_for(ticket_ + 1 - kPieces);
  Piece& piece = piece_of(ticket_ + 1);
  const VulkanApi& api = context_.api();
  constexpr std::string_view kDoing = "record work for the graphics card";
  context_.check(api.ResetCommandPool(context_.device(), piece.pool.get(), 0), kDoing);
  VkCommandBufferBeginInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
  info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  context_.check(api.BeginCommandBuffer(piece.commands, &info), kDoing);
  piece.work = 0;
  ++ticket_;
  if (!piece.times) return;
  api.CmdResetQueryPool(piece.commands, piece.times.get(), 0, 2);
  api.CmdWriteTimestamp(piece.commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, piece.times.get(), 0);
}

void VulkanStream::barrier(VkPipelineStageFlags to, VkAccessFlags access) {
  VkMemoryBarrier all{};
  all.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  all.srcAccessMask = kWrites;
  all.dstAccessMask = access;
  context_.api().CmdPipelineBarrier(piece_of(ticket_).commands, kStages, to, 0, 1, &all, 0, nullptr,
                                    0, nullptr);
}

VkCommandBuffer VulkanStream::record(std::span<const BarrierTracker::Use> uses, double work) {
  const bool is_open = submitted_ < ticket_;
  if (is_open && piece_of(ticket_).work + work > kPieceSeconds * rate_) submit();
  if (submitted_ == ticket_) begin();
  if (tracker_.add(uses) || must_order_) barrier(kStages, kAll);
  must_order_ = false;
  Piece& piece = piece_of(ticket_);
  piece.work += work;
  return piece.commands;
}

void VulkanStream::show_to_host() {
  SEMBLANCE_ASSERT(submitted_ < ticket_);
  barrier(VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
}

void VulkanStream::submit() {
  Piece& piece = piece_of(ticket_);
  const VulkanApi& api = context_.api();
  if (piece.times)
    api.CmdWriteTimestamp(piece.commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, piece.times.get(),
                          1);
  context_.check(api.EndCommandBuffer(piece.commands), "record work for the graphics card");
  VkTimelineSemaphoreSubmitInfo values{};
  values.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
  values.signalSemaphoreValueCount = 1;
  values.pSignalSemaphoreValues = &ticket_;
  const VkSemaphore semaphore = semaphore_.get();
  VkSubmitInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
  info.pNext = &values;
  info.commandBufferCount = 1;
  info.pCommandBuffers = &piece.commands;
  info.signalSemaphoreCount = 1;
  info.pSignalSemaphores = &semaphore;
  context_.submit(info);
  submitted_ = ticket_;
}

void VulkanStream::wait(Ticket ticket) {
  if (ticket > submitted_) submit();
  wait_for(ticket);
}

void VulkanStream::wait_for(Ticket ticket) {
  if (is_done(ticket)) return;
  context_.wait(semaphore_.get(), ticket);
  for (Ticket one = done_ + 1; one <= ticket; ++one) learn_rate(piece_of(one));
  done_ = ticket;
}

void VulkanStream::learn_rate(const Piece& piece) {
  if (!piece.times || piece.work <= 0) return;
  std::array<std::uint64_t, 2> ticks{};
  const VkResult result =
      context_.api().GetQueryPoolResults(context_.device(), piece.times.get(), 0, 2, sizeof ticks,
                                         ticks.data(), sizeof ticks[0], VK_QUERY_RESULT_64_BIT);
  context_.check(result, "read the graphics card's clock");
  if (result != VK_SUCCESS || ticks[1] <= ticks[0]) return;
  const double seconds =
      static_cast<double>(ticks[1] - ticks[0]) * context_.timestamp_period_ns() * 1e-9;
  // Short pieces tell little. Slower is believed at once, faster only by degrees.
  if (seconds < kPieceSeconds / 20) return;
  const double measured = piece.work / seconds;
  rate_ = measured < rate_ ? measured : std::min(measured, rate_ * 2);
}

void VulkanStream::discard() noexcept {
  // A recorded piece that was not handed over is recorded anew under the same ticket.
  ticket_ = submitted_;
  tracker_.clear();
  must_order_ = true;
  try {
    if (context_.is_lost())
      context_.wait_idle();  // returns at once
    else
      wait_for(submitted_);
  } catch (const Error&) {
    context_.wait_idle();  // nothing may be freed that the card still uses
  }
}

}  // namespace semblance
