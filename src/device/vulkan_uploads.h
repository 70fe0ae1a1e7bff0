// Copies from main memory to places on a card, beside the computation: on a queue of its own where
// the card has one, else between the computation's pieces.
//
// Each copy starts once all commands recorded before that use its place are done, and commands
// recorded after wait for it on the card. The host waits for neither.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "device/vulkan_stream.h"

namespace semblance {

/// Not thread-safe.
class VulkanUploads {
 public:
  /// A batch of copies by its number, from 1. All copies up to it are done when it is.
  using Ticket = std::uint64_t;

  /// Both must outlive this. Throws Error(kMemory), Error(kDevice).
  VulkanUploads(const VulkanContext& context, VulkanStream& stream);
  /// Waits for what was handed over.
  ~VulkanUploads();
  VulkanUploads(const VulkanUploads&) = delete;
  VulkanUploads& operator=(const VulkanUploads&) = delete;

  /// Copies the beginning of `from` to the place, which lies in `to` at `offset`. `from` must not
  /// change before the returned ticket is done.
  Ticket add(const DevicePlace& place, VkBuffer from, VkBuffer to, std::uint64_t offset);
  /// Before a command with these uses is recorded: makes it wait for the copies that it needs.
  void order(std::span<const BarrierTracker::Use> uses);

  /// Whether it is known to be done.
  bool is_done(Ticket ticket) const { return ticket <= done_; }
  void wait(Ticket ticket);
  void wait_all() { wait(ticket_); }
  /// Ends all copies. If the card fails, some are lost.
  void finish() noexcept;

 private:
  struct Pending {
    DevicePlace place;
    Ticket ticket = 0;
  };
  bool is_open() const { return submitted_ < ticket_; }
  Ticket last_to(const DevicePlace& place) const;
  void begin();
  void submit();
  void wait_for(Ticket ticket);

  const VulkanContext& context_;
  VulkanStream& stream_;
  std::vector<VulkanCommands> batches_;
  VulkanHandle<VkSemaphore> timeline_;  // its value is the last batch that is done
  std::vector<Pending> pending_;        // copies that some command may have to wait for
  Ticket ticket_ = 0;                   // the last one that was begun
  Ticket submitted_ = 0;                // the last one that was handed over
  Ticket done_ = 0;                     // known to be done
  Ticket ordered_ = 0;                  // commands recorded from now on start after it
  // What the open batch holds and starts after.
  std::uint64_t bytes_ = 0;
  VulkanStream::Ticket after_piece_ = 0;
  Ticket after_batch_ = 0;
};

}  // namespace semblance
