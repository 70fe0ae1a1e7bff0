// Moves values between the arena and the scratch file beside the computation: one thread that
// writes and reads in the order in which it was told to.
//
//   mover.start(stop);
//   auto spilled = mover.enqueue_write(offset, value);   // value stays as it is until then
//   mover.wait(spilled);                                 // now its place is free
//
// One thread (the consumer) calls all but counts(). While it runs nothing is allocated.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

#include "memory/scratch_file.h"

namespace semblance {

class Trace;

class ScratchMover {
 public:
  /// Counts the transfers since start(), from 1; 0 is done always.
  using Ticket = std::uint64_t;

  /// The scratch file outlives the mover, and so do the trace and the bytes of what is enqueued.
  /// `capacity`: transfers that may wait. Throws Error(kDevice) when no thread can be started.
  explicit ScratchMover(Scratch& scratch, std::size_t capacity = 256, Trace* trace = nullptr);
  /// Ends at once: drops what waits; a piece (4 MiB) under way ends.
  ~ScratchMover();
  ScratchMover(const ScratchMover&) = delete;
  ScratchMover& operator=(const ScratchMover&) = delete;

  /// Begins anew: drops what still waits and forgets an error.
  void start(std::stop_token stop = {});

  /// Adds a transfer behind the others; blocks while the queue is full. src and dst belong to the
  /// mover until the ticket is done. Throws as wait() does.
  Ticket enqueue_write(std::uint64_t offset, std::span<const std::byte> src);
  Ticket enqueue_read(std::uint64_t offset, std::span<std::byte> dst);

  /// Blocks until this transfer and all before it are done. Throws once what the first failed one
  /// of them threw, or Error(kCancelled) when the stop was asked for; then only start() goes on.
  void wait(Ticket ticket);

  /// Drops what waits; nothing of the arena is touched any more after that.
  void stop();

  struct Counts {
    std::uint64_t bytes_written = 0;
    std::uint64_t bytes_read = 0;
    double wait_seconds = 0;  // that wait() and enqueue blocked
    double busy_seconds = 0;  // that the thread was in the scratch file
  };
  /// Since the mover was made. Thread-safe.
  Counts counts() const;

 private:
  struct Transfer {
    std::uint64_t offset = 0;
    const std::byte* src = nullptr;  // of a write
    std::byte* dst = nullptr;        // of a read
    std::size_t bytes = 0;
  };
  struct Cancel {
    ScratchMover* mover;
    void operator()() const noexcept { mover->cancel(); }
  };

  void cancel() noexcept;
  void halt(std::unique_lock<std::mutex>& lock);
  Ticket enqueue(const Transfer& transfer);
  template <typename Condition>
  void block_until(std::unique_lock<std::mutex>& lock, Condition condition);
  void move_loop();
  void move_piece(const Transfer& transfer, std::size_t done, std::size_t bytes);

  Scratch& scratch_;
  Trace* const trace_;

  mutable std::mutex mutex_;
  std::condition_variable work_;   // for the mover's thread
  std::condition_variable moved_;  // for the consumer
  // All below is guarded by mutex_.
  std::vector<Transfer> queue_;  // a ring: transfer t is at (t - 1) % size
  Ticket last_ = 0;              // enqueued
  Ticket done_ = 0;
  bool moving_ = false;  // the thread is outside of the lock
  bool running_ = false;
  bool cancelled_ = false;
  bool ending_ = false;
  std::exception_ptr error_;  // of transfer done_ + 1
  Counts counts_;

  std::optional<std::stop_callback<Cancel>> cancel_;
  std::thread thread_;
};

}  // namespace semblance
