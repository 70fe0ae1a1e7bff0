#include "device/vulkan_uploads.h"

#include <algorithm>
#include <array>

namespace semblance {
namespace {

constexpr std::size_t kBatches = 8;
/// A batch is handed over once it has this much, so that small copies share one.
constexpr std::uint64_t kBatchBytes = std::uint64_t{4} << 20;

}  // namespace

VulkanUploads::VulkanUploads(const VulkanContext& context, VulkanStream& stream)
    : context_(context), stream_(stream) {
  for (std::size_t i = 0; i < kBatches; ++i) batches_.emplace_back(context, Queue::kUpload);
  timeline_ = context.timeline();
}

VulkanUploads::~VulkanUploads() { finish(); }

VulkanUploads::Ticket VulkanUploads::last_to(const DevicePlace& place) const {
  Ticket last = 0;
  for (const Pending& copy : pending_) {
    if (overlap(copy.place, place)) last = std::max(last, copy.ticket);
  }
  return last;
}

VulkanUploads::Ticket VulkanUploads::add(const DevicePlace& place, VkBuffer from, VkBuffer to,
                                         std::uint64_t offset) {
  const Ticket before = last_to(place);
  if (is_open() && before == ticket_) submit();  // copies of a batch are in no order
  if (!is_open()) begin();
  after_piece_ = std::max(after_piece_, stream_.last_use(place));
  after_batch_ = std::max(after_batch_, before);
  const VkBufferCopy range{0, offset, place.bytes};
  context_.api().CmdCopyBuffer(batches_[ticket_ % kBatches].get(), from, to, 1, &range);
  pending_.push_back({place, ticket_});
  bytes_ += place.bytes;
  const Ticket ticket = ticket_;
  if (bytes_ >= kBatchBytes) submit();
  return ticket;
}

void VulkanUploads::order(std::span<const BarrierTracker::Use> uses) {
  Ticket needed = 0;
  for (const BarrierTracker::Use& use : uses) needed = std::max(needed, last_to(use.place));
  if (needed <= ordered_) return;
  if (needed > submitted_) submit();
  stream_.start_after({timeline_.get(), needed});
  ordered_ = needed;
}

void VulkanUploads::begin() {
  done_ = std::max(done_, context_.value_of(timeline_.get()));
  if (ticket_ + 1 > kBatches) wait_for(ticket_ + 1 - kBatches);
  std::erase_if(pending_, [this](const Pending& copy) {
    return copy.ticket <= done_ && copy.ticket <= ordered_;
  });
  batches_[(ticket_ + 1) % kBatches].begin();
  bytes_ = after_piece_ = after_batch_ = 0;
  ++ticket_;
}

void VulkanUploads::submit() {
  stream_.hand_over(after_piece_);
  const std::array after{stream_.point_of(after_piece_),
                         VulkanPoint{timeline_.get(), after_batch_}};
  batches_[ticket_ % kBatches].submit(after, {timeline_.get(), ticket_});
  submitted_ = ticket_;
}

void VulkanUploads::wait(Ticket ticket) {
  if (ticket > submitted_) submit();
  wait_for(ticket);
}

void VulkanUploads::wait_for(Ticket ticket) {
  if (is_done(ticket)) return;
  context_.wait(timeline_.get(), ticket);
  done_ = ticket;
}

void VulkanUploads::finish() noexcept {
  try {
    if (!context_.is_lost()) return wait(ticket_);
  } catch (const Error&) {
    // The run has failed already.
  }
  context_.wait_idle();  // nothing may be freed that the card still uses
  ticket_ = done_ = submitted_;
  std::erase_if(pending_, [this](const Pending& copy) { return copy.ticket > submitted_; });
}

}  // namespace semblance
