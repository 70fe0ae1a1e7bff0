// Moves values between the arena and the scratch file during the computation: one thread writes and
// reads in the order of the calls.
//
//   mover.start(stop);
//   auto spilled = mover.enqueue_write(offset, value);   // value must not change until then
//   mover.wait(spilled);                                 // now its place is free to reuse
//
// One thread (the consumer) calls everything but counts(). Nothing is allocated after start().
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
  /// Numbers the transfers since start(), from 1; ticket 0 is always done.
  using Ticket = std::uint64_t;

  /// The scratch file, the trace and all enqueued bytes must outlive the mover. `capacity`: how
  /// many transfers can wait. Throws Error(kDevice) if no thread can be started.
  explicit ScratchMover(Scratch& scratch, std::size_t capacity = 256, Trace* trace = nullptr);
  /// Ends at once: drops waiting transfers and waits only for the current piece (4 MiB).
  ~ScratchMover();
  ScratchMover(const ScratchMover&) = delete;
  ScratchMover& operator=(const ScratchMover&) = delete;

  /// Starts over: drops waiting transfers and clears any error.
  void start(std::stop_token stop = {});

  /// Appends a transfer; blocks while the queue is full. src and dst belong to the mover until the
  /// ticket is done. Throws as wait() does.
  Ticket enqueue_write(std::uint64_t offset, std::span<const std::byte> src);
  Ticket enqueue_read(std::uint64_t offset, std::span<std::byte> dst);

  /// Blocks until this transfer and all before it are done. If one failed, throws its error, once;
  /// throws Error(kCancelled) if a stop was requested. After either, only start() may be called.
  void wait(Ticket ticket);

  /// Drops waiting transfers. When it returns, the arena is no longer touched.
  void stop();

  struct Counts {
    std::uint64_t bytes_written = 0;
    std::uint64_t bytes_read = 0;
    double wait_seconds = 0;  // in which wait() and enqueue_*() blocked
    double busy_seconds = 0;  // in which the thread read or wrote
  };
  /// Since construction. Thread-safe.
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
  bool moving_ = false;  // the thread is working without the lock
  bool running_ = false;
  bool cancelled_ = false;
  bool ending_ = false;
  std::exception_ptr error_;  // of transfer done_ + 1
  Counts counts_;

  std::optional<std::stop_callback<Cancel>> cancel_;
  std::thread thread_;
};

}  // namespace semblance
