// Weights of a session: from their files, packed, to where its kernels want them. What does not
// stay is read ahead of the computation, or at its turn where the page cache holds the files.
//
// A run calls start(), then load() for every node in order, and finish(). One thread; in a run
// nothing is allocated.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "memory/buffer.h"
#include "planner/plan.h"
#include "runtime/device.h"
#include "runtime/steps.h"
#include "runtime/weight_rows.h"
#include "runtime/weight_stream.h"

namespace semblance {

class WeightFeed {
 public:
  /// The program and the steps outlive this. Throws as find_weight() does.
  WeightFeed(const Program& program, const std::vector<Step>& steps, const WeightMap& weights);

  /// Takes the ring and the staging of the plan; loads to this executor, which outlives this, from
  /// now on. Before the first run.
  void take_memory(Executor& executor, Trace* trace);

  void start(std::stop_token stop);
  /// Weights whose use begins at this node are in their places when this returns. Throws what
  /// reading throws, and Error(kCancelled).
  void load(int node);
  void finish();
  /// In the middle of a run: nothing is read any more.
  void stop();

  struct Counts {
    std::uint64_t bytes_read = 0;
    double wait_seconds = 0;
  };
  Counts counts() const;

 private:
  /// Of a use of the plan.
  struct Use {
    WeightRows stored;
    const Kernel* kernel = nullptr;  // whose layout it has
    int src = 0;
    std::size_t owner = 0;  // of what stays: the first use of the same place
    bool is_loaded = false;
  };

  void find_owners();
  bool is_missing(std::size_t use) const;
  bool cache_would_hold_all() const;
  bool is_cached() const;
  void choose_stream();
  void load_use(std::size_t use);
  const WeightUse& planned(std::size_t use) const { return program_.plan.weights[use]; }
  const ValueInfo& value(std::size_t use) const;

  const Program& program_;
  std::vector<Use> uses_;
  Executor* executor_ = nullptr;
  Trace* trace_ = nullptr;
  Buffer ring_, staging_;
  bool passes_cache_ = false;
  std::vector<std::size_t> order_;  // uses that a run loads; the chunks of the stream
  std::size_t next_ = 0;            // of order_
  bool loads_ = false;              // whether what stays is among them
  bool reads_inline_ = false;       // the page cache holds the files: nothing is to be read ahead
  std::optional<WeightStream> stream_;
  Counts before_;  // of streams that are gone, and of what was read inline
};

}  // namespace semblance
