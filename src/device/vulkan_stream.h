// Records commands for a card's compute queue and hands them over in pieces, in order.
//
// A piece takes at most a tenth of a second, as far as that can be predicted: operating systems
// stop longer work, and a cancelled run waits for what it has handed over. At most three tenths of
// a second of work are under way.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "device/barrier_tracker.h"
#include "device/vulkan_commands.h"

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
  /// Commands recorded from now on start after this point of another queue's timeline, whose work
  /// must have been handed over.
  void start_after(const VulkanPoint& point);
  /// Makes what the last commands copied to host memory visible to the host once they are done.
  void show_to_host();
  /// The piece that the commands recorded last belong to.
  Ticket ticket() const { return ticket_; }
  /// The last piece with a command that uses a part of the place; 0 if all are known to be done.
  Ticket last_use(const DevicePlace& place) const;
  VulkanPoint point_of(Ticket ticket) const { return {timeline_.get(), ticket}; }
  /// Hands over what is recorded, as far as the piece's commands are not yet.
  void hand_over(Ticket ticket);
  /// Whether it is done now.
  bool is_done(Ticket ticket);
  /// Hands it over and waits for it.
  void wait(Ticket ticket);
  /// Drops what was not handed over and waits for the rest.
  void discard() noexcept;

  /// Operations per second, as measured so far.
  double rate() const { return rate_; }

 private:
  struct Piece {
    VulkanCommands commands;
    VulkanHandle<VkQueryPool> times;  // its begin and end; none if the card has no clock
    double work = 0;
  };
  struct Used {
    DevicePlace place;
    Ticket ticket = 0;
  };
  Piece make_piece() const;
  Piece& piece_of(Ticket ticket) { return pieces_[ticket % pieces_.size()]; }
  bool is_open() const { return submitted_ < ticket_; }
  double work_under_way();
  void begin();
  void submit();
  void wait_for(Ticket ticket);
  void see_done(Ticket ticket);
  void learn_rate(const Piece& piece);
  void barrier(VkPipelineStageFlags to, VkAccessFlags access);

  const VulkanContext& context_;
  std::vector<Piece> pieces_;
  VulkanHandle<VkSemaphore> timeline_;  // its value is the last piece that is done
  BarrierTracker tracker_;
  std::vector<Used> used_;   // by pieces that are not known to be done
  Ticket ticket_ = 0;        // the last one that was begun
  Ticket submitted_ = 0;     // the last one that was handed over
  Ticket done_ = 0;          // known to be done
  VulkanPoint after_;        // what the next piece to be handed over starts after
  bool must_order_ = false;  // the next command needs a barrier in any case
  double rate_;
  double measured_work_ = 0, measured_seconds_ = 0;  // since the rate was learnt
};

}  // namespace semblance
