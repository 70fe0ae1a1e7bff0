#include "runtime/scratch_mover.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/refusal.h"
#include "runtime/trace.h"

namespace semblance {
namespace {

/// A cancel waits for at most this much. Keeps a transfer's alignment.
constexpr std::size_t kPieceBytes = std::size_t{4} << 20;

}  // namespace

ScratchMover::ScratchMover(Scratch& scratch, std::size_t capacity, Trace* trace)
    : scratch_(scratch), trace_(trace), queue_(capacity) {
  SEMBLANCE_ASSERT(capacity > 0);
  thread_ = start_thread("that writes the scratch file", [this] { move_loop(); });
}

ScratchMover::~ScratchMover() {
  cancel_.reset();
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  work_.notify_all();
  thread_.join();
}

void ScratchMover::cancel() noexcept {
  {
    const std::scoped_lock lock(mutex_);
    cancelled_ = true;
  }
  moved_.notify_all();
}

void ScratchMover::halt(std::unique_lock<std::mutex>& lock) {
  running_ = false;
  moved_.wait(lock, [this] { return !moving_; });
  last_ = done_ = 0;
  error_ = nullptr;
}

void ScratchMover::start(std::stop_token stop) {
  cancel_.reset();  // not under the lock, which a running callback may be waiting for
  {
    std::unique_lock lock(mutex_);
    halt(lock);
    running_ = true;
    cancelled_ = false;
  }
  if (stop.stop_possible()) cancel_.emplace(std::move(stop), Cancel{this});
}

void ScratchMover::stop() {
  cancel_.reset();
  std::unique_lock lock(mutex_);
  halt(lock);
}

ScratchMover::Ticket ScratchMover::enqueue_write(std::uint64_t offset,
                                                 std::span<const std::byte> src) {
  return enqueue({offset, src.data(), nullptr, src.size()});
}

ScratchMover::Ticket ScratchMover::enqueue_read(std::uint64_t offset, std::span<std::byte> dst) {
  return enqueue({offset, nullptr, dst.data(), dst.size()});
}

ScratchMover::Ticket ScratchMover::enqueue(const Transfer& transfer) {
  Ticket ticket = 0;
  {
    std::unique_lock lock(mutex_);
    block_until(lock, [this] { return last_ - done_ < queue_.size(); });
    ticket = ++last_;
    queue_[(ticket - 1) % queue_.size()] = transfer;
  }
  work_.notify_all();
  return ticket;
}

void ScratchMover::wait(Ticket ticket) {
  std::unique_lock lock(mutex_);
  SEMBLANCE_ASSERT(ticket <= last_);
  block_until(lock, [this, ticket] { return done_ >= ticket; });
}

template <typename Condition>
void ScratchMover::block_until(std::unique_lock<std::mutex>& lock, Condition condition) {
  SEMBLANCE_ASSERT(running_);
  if (!condition() && error_ == nullptr && !cancelled_) {
    const double begin = Trace::now();
    moved_.wait(lock, [&] { return condition() || error_ != nullptr || cancelled_; });
    counts_.wait_seconds += Trace::now() - begin;
  }
  if (cancelled_) {
    running_ = false;
    fail(ErrorKind::kCancelled, "cancelled");
  }
  if (!condition()) {
    running_ = false;
    std::rethrow_exception(std::exchange(error_, nullptr));
  }
}

ScratchMover::Counts ScratchMover::counts() const {
  const std::scoped_lock lock(mutex_);
  return counts_;
}

void ScratchMover::move_piece(const Transfer& transfer, std::size_t done, std::size_t bytes) {
  if (transfer.src != nullptr) {
    scratch_.write(transfer.offset + done, {transfer.src + done, bytes});
  } else {
    scratch_.read(transfer.offset + done, {transfer.dst + done, bytes});
  }
}

void ScratchMover::move_loop() {
  const auto may_move = [this] { return running_ && !cancelled_ && error_ == nullptr; };
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [&] { return ending_ || (may_move() && done_ < last_); });
    if (ending_) return;
    const Transfer transfer = queue_[done_ % queue_.size()];
    const double begin = Trace::now();
    std::size_t done = 0;
    std::exception_ptr error;
    moving_ = true;
    while (done < transfer.bytes && error == nullptr && may_move() && !ending_) {
      const std::size_t bytes = std::min(kPieceBytes, transfer.bytes - done);
      lock.unlock();
      try {
        move_piece(transfer, done, bytes);
        done += bytes;
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
    }
    moving_ = false;
    const double end = Trace::now();
    counts_.busy_seconds += end - begin;
    (transfer.src != nullptr ? counts_.bytes_written : counts_.bytes_read) += done;
    if (trace_ != nullptr) {
      trace_->add(TraceRow::kMover, transfer.src != nullptr ? "spill" : "fetch", begin, end, done);
    }
    if (error != nullptr) {
      error_ = error;
    } else if (done == transfer.bytes) {
      ++done_;
    }
    moved_.notify_all();
  }
}

}  // namespace semblance
