// Records commands for a card and hands them over in pieces, in order.
//
// A piece takes a tenth of a second, as far as that can be predicted: operating systems stop longer
// work, and a cancelled run waits for what it has handed over. At most three pieces are under way.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "device/barrier_tracker.h"
#include "device/vulkan_context.h"

namespace semblance {

/// Not thread-safe.
class VulkanStream {
 public:
  /// A piece of work by its number, from 1. All commands up to it are done when it is.
  using Ticket = std::uint64_t;

  /// The context must outlive this. Throws Error(kMemory), Error(kDevice).
  explicit VulkanStream(const VulkanContext& context);
  /// Waits for what was handed over; drops what was not.
  ~VulkanStream();
  VulkanStream(const VulkanStream&) = delete;
  VulkanStream& operator=(const VulkanStream&) = delete;

  /// Where to record a command that uses these places, after the barrier that they need. `work`:
  /// what it computes and moves, in operations. May hand over what was recorded before, and wait.
  VkCommandBuffer record(std::span<const BarrierTracker::Use> uses, double work);
  /// Makes what the last commands copied to host memory visible to the host once they are done.
  void show_to_host();
  /// The piece that the commands recorded last belong to.
  Ticket ticket() const { return ticket_; }
  bool is_done(Ticket ticket) const { return ticket <= done_; }
  /// Hands over what is recorded, as far as the piece's commands are not yet, and waits for it.
  void wait(Ticket ticket);
  /// Drops what was not handed over and waits for the rest.
  void discard() noexcept;

  /// Operations per second, as measured so far.
  double rate() const { return rate_; }

 private:
  static constexpr std::size_t kPieces = 3;
  struct Piece {
    VulkanHandle<VkCommandPool> pool;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    VulkanHandle<VkQueryPool> times;  // its begin and end; none if the card has no clock
    double work = 0;
  };
  Piece make_piece() const;
  Piece& piece_of(Ticket ticket) { return pieces_[ticket % kPieces]; }
  void begin();
  void submit();
  void wait_for(Ticket ticket);
  void learn_rate(const Piece& piece);
  void barrier(VkPipelineStageFlags to, VkAccessFlags access);

  const VulkanContext& context_;
  std::array<Piece, kPieces> pieces_;
  VulkanHandle<VkSemaphore> semaphore_;  // its value is the last piece that is done
  BarrierTracker tracker_;
  Ticket ticket_ = 0;        // the last one that was begun
  Ticket submitted_ = 0;     // the last one that was handed over
  Ticket done_ = 0;          // known to be done
  bool must_order_ = false;  // the next command needs a barrier in any case
  double rate_;
};

}  // namespace semblance
