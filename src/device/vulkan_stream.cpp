#include "device/vulkan_stream.h"

#include <algorithm>
#include <array>

namespace semblance {
namespace {

constexpr double kPieceSeconds = 0.1;
constexpr double kSecondsUnderWay = 0.3;
/// Pieces are short where the computation waits for uploads.
constexpr std::size_t kPieces = 16;
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
  for (std::size_t i = 0; i < kPieces; ++i) pieces_.push_back(make_piece());
  timeline_ = context_.timeline();
}

VulkanStream::~VulkanStream() { discard(); }

VulkanStream::Piece VulkanStream::make_piece() const {
  const VulkanApi& api = context_.api();
  Piece piece{VulkanCommands(context_, Queue::kCompute), {}, 0};
  if (!context_.has_timestamps()) return piece;
  VkQueryPoolCreateInfo times{};
  times.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO;
  times.queryType = VK_QUERY_TYPE_TIMESTAMP;
  times.queryCount = 2;
  piece.times = context_.create(api.CreateQueryPool, api.DestroyQueryPool, times,
                                "prepare the graphics card for a run");
  return piece;
}

double VulkanStream::work_under_way() {
  double work = 0;
  for (Ticket ticket = done_ + 1; ticket <= submitted_; ++ticket) work += piece_of(ticket).work;
  return work;
}

void VulkanStream::begin() {
  see_done(context_.value_of(timeline_.get()));
  while (submitted_ - done_ >= kPieces || work_under_way() > kSecondsUnderWay * rate_)
    wait_for(done_ + 1);
  Piece& piece = piece_of(ticket_ + 1);
  piece.commands.begin();
  piece.work = 0;
  ++ticket_;
  if (!piece.times) return;
  const VulkanApi& api = context_.api();
  auto* const commands = piece.commands.get();
  api.CmdResetQueryPool(commands, piece.times.get(), 0, 2);
  api.CmdWriteTimestamp(commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, piece.times.get(), 0);
}

void VulkanStream::barrier(VkPipelineStageFlags to, VkAccessFlags access) {
  VkMemoryBarrier all{};
  all.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  all.srcAccessMask = kWrites;
  all.dstAccessMask = access;
  context_.api().CmdPipelineBarrier(piece_of(ticket_).commands.get(), kStages, to, 0, 1, &all, 0,
                                    nullptr, 0, nullptr);
}

VkCommandBuffer VulkanStream::record(std::span<const BarrierTracker::Use> uses, double work) {
  if (is_open() && piece_of(ticket_).work + work > kPieceSeconds * rate_) submit();
  if (!is_open()) begin();
  if (tracker_.add(uses) || must_order_) barrier(kStages, kAll);
  must_order_ = false;
  for (const BarrierTracker::Use& use : uses) used_.push_back({use.place, ticket_});
  Piece& piece = piece_of(ticket_);
  piece.work += work;
  return piece.commands.get();
}

void VulkanStream::start_after(const VulkanPoint& point) {
  // What is recorded already must not wait for it.
  if (is_open() && context_.value_of(point.timeline) < point.value) submit();
  after_ = point;
}

VulkanStream::Ticket VulkanStream::last_use(const DevicePlace& place) const {
  Ticket last = 0;
  for (const Used& used : used_) {
    if (overlap(used.place, place)) last = std::max(last, used.ticket);
  }
  return last;
}

void VulkanStream::show_to_host() {
  SEMBLANCE_ASSERT(submitted_ < ticket_);
  barrier(VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
}

void VulkanStream::submit() {
  Piece& piece = piece_of(ticket_);
  if (piece.times) {
    context_.api().CmdWriteTimestamp(piece.commands.get(), VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
                                     piece.times.get(), 1);
  }
  piece.commands.submit({&after_, 1}, point_of(ticket_));
  after_ = {};
  submitted_ = ticket_;
}

void VulkanStream::hand_over(Ticket ticket) {
  if (ticket > submitted_) submit();
}

bool VulkanStream::is_done(Ticket ticket) {
  if (ticket > done_) see_done(context_.value_of(timeline_.get()));
  return ticket <= done_;
}

void VulkanStream::wait(Ticket ticket) {
  hand_over(ticket);
  wait_for(ticket);
}

void VulkanStream::wait_for(Ticket ticket) {
  if (ticket <= done_) return;
  context_.wait(timeline_.get(), ticket);
  see_done(ticket);
}

void VulkanStream::see_done(Ticket ticket) {
  if (ticket <= done_) return;
  for (Ticket one = done_ + 1; one <= ticket; ++one) learn_rate(piece_of(one));
  done_ = ticket;
  std::erase_if(used_, [this](const Used& used) { return used.ticket <= done_; });
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
  measured_work_ += piece.work;
  measured_seconds_ += seconds;
  // Short times tell little. Slower is believed at once, faster only by degrees.
  if (measured_seconds_ < kPieceSeconds / 20) return;
  const double measured = measured_work_ / measured_seconds_;
  rate_ = measured < rate_ ? measured : std::min(measured, rate_ * 2);
  measured_work_ = measured_seconds_ = 0;
}

void VulkanStream::discard() noexcept {
  // A recorded piece that was not handed over is recorded anew under the same ticket.
  ticket_ = submitted_;
  std::erase_if(used_, [this](const Used& used) { return used.ticket > submitted_; });
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
