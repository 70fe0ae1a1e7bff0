// Spilled values of a session, between its device and the scratch file, beside the computation.
//
// A run calls start(), then for every node in order free_places(), and wait_for_sources(), spill()
// or fetch() as the node is, and finish(). One thread; in a run nothing is allocated.
#pragma once

#include <memory>
#include <stop_token>
#include <vector>

#include "planner/plan.h"
#include "runtime/device.h"
#include "runtime/scratch_mover.h"

namespace semblance {

class SpillFeed {
 public:
  /// The program and the executor outlive this. The scratch file holds the plan's file_bytes.
  /// Throws Error(kDevice) when no thread can be started.
  SpillFeed(const Program& program, Executor& executor, std::unique_ptr<Scratch> scratch,
            Trace* trace);

  void start(std::stop_token stop);
  /// What lies where this node and those after it write, and had to be spilled, is in the file when
  /// this returns. Throws, as all below, what moving throws, and Error(kCancelled).
  void free_places(int node);
  /// What this node reads has come from the file when this returns.
  void wait_for_sources(std::size_t node);
  /// Begins to move what the node moves.
  void spill(std::size_t node);
  void fetch(std::size_t node);
  /// All spills of the run are done when this returns.
  void finish();
  /// In the middle of a run: nothing is moved any more.
  void stop();

  /// Writes bytes of a value that lies in the file, from `offset` on; not during a run.
  void write(ValueId value, std::uint64_t offset, std::span<const std::byte> bytes);

  ScratchMover::Counts counts() const { return mover_.counts(); }

 private:
  struct Pending {
    int before;  // this node's place is the spilled value's
    ScratchMover::Ticket ticket;
    DevicePlace place;
  };
  struct Coming {
    ScratchMover::Ticket ticket = 0;
    bool is_open = false;  // the view that it is read into
  };
  void find_fetches();

  const Program& program_;
  Executor& executor_;
  std::unique_ptr<Scratch> scratch_;
  ScratchMover mover_;
  std::vector<std::vector<int>> fetches_;  // by node: the Fetch nodes that bring what it reads
  std::vector<Coming> coming_;             // by node
  std::vector<Pending> pending_;
};

}  // namespace semblance
