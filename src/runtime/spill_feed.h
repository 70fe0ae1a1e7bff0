// Moves a session's spilled values between its device and the scratch file during the computation.
// On a device with memory of its own they are first copied to the host, beside the computation.
//
// A run calls start(); then for every node in order free_places(), wait_for_sources() and,
// depending on the node, spill() or fetch(); and finally finish(). Not thread-safe. Nothing is
// allocated during a run.
#pragma once

#include <deque>
#include <memory>
#include <stop_token>
#include <vector>

#include "planner/plan.h"
#include "runtime/device.h"
#include "runtime/scratch_mover.h"

namespace semblance {

class SpillFeed {
 public:
  /// The program and the executor must outlive this. The scratch file must have the plan's
  /// file_bytes. Throws Error(kDevice) if no thread can be started.
  SpillFeed(const Program& program, Executor& executor, std::unique_ptr<Scratch> scratch,
            Trace* trace);

  void start(std::stop_token stop);
  /// Waits until every spilled value whose place may be reused from this node on is in the file.
  /// Like all functions below, throws what moving throws, and Error(kCancelled).
  void free_places(int node);
  /// Waits until everything this node reads has come from the file.
  void wait_for_sources(std::size_t node);
  /// Starts a Spill or Fetch node's transfer.
  void spill(std::size_t node);
  void fetch(std::size_t node);
  /// Waits until all spills of the run are done.
  void finish();
  /// Aborts a run: nothing is moved afterwards.
  void stop();

  /// Writes bytes of a value in the file, starting at its byte `offset`; not during a run.
  void write(ValueId value, std::uint64_t offset, std::span<const std::byte> bytes);

  ScratchMover::Counts counts() const { return mover_.counts(); }

 private:
  struct Pending {
    int before;  // the first node that may reuse the spilled value's place
    ScratchMover::Ticket ticket;
    DevicePlace place;
    bool is_copy = false;
  };
  struct Coming {
    ScratchMover::Ticket ticket = 0;
    bool is_open = false;  // whether the view it is read into is open
  };
  /// A value that the device copies to the host.
  struct Leaving {
    std::uint64_t offset = 0;  // in the file
    DevicePlace place;
  };
  void find_fetches();
  void take_from_device(bool waits);
  void close_written(ScratchMover::Ticket last);

  const Program& program_;
  Executor& executor_;
  std::unique_ptr<Scratch> scratch_;
  ScratchMover mover_;
  std::vector<std::vector<int>> fetches_;  // by node: the Fetch nodes it reads from
  std::vector<Coming> coming_;             // by node
  std::vector<Pending> pending_;
  std::deque<Leaving> leaving_;
  std::uint64_t copied_bytes_ = 0;  // of host memory that spills hold
};

}  // namespace semblance
