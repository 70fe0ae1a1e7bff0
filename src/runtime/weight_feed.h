// Loads a session's weights: reads them from their files and packs them into their kernels' places.
// Weights that do not stay are read ahead, or on use if the page cache holds the files.
//
// A run calls start(), then load() for every node in order, and finish(). Not thread-safe. Nothing
// is allocated during a run.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "memory/buffer.h"
#include "planner/plan.h"
#include "runtime/device.h"
#include "runtime/kept_weights.h"
#include "runtime/steps.h"
#include "runtime/weight_rows.h"
#include "runtime/weight_stream.h"

namespace semblance {

class WeightFeed {
 public:
  /// The program, the steps and what `weights` shows must outlive this. Throws as find_weight()
  /// does.
  WeightFeed(const Program& program, const std::vector<Step>& steps, const WeightView& weights);

  /// The weights in the resident region.
  std::vector<KeptWeights::Weight> loaded() const;
  /// Finds what need not be loaded, since it is among `kept`, and how it moves to its place.
  std::vector<Executor::Move> take_over(const std::vector<KeptWeights::Weight>& kept);

  /// Undoes take_over(): all weights must be loaded.
  void lose();

  /// Allocates the plan's ring and staging, and loads to this executor from now on. The executor
  /// must outlive this. Call before the first run.
  void take_memory(Executor& executor, Trace* trace);

  void start(std::stop_token stop);
  /// Between runs: the next one loads again what only first runs do.
  void load_once_again();
  /// Loads the weights whose places are free from this node on. Throws what reading throws, and
  /// Error(kCancelled).
  void load(int node);
  void finish();
  /// Aborts a run: nothing is read afterwards, and the next run loads again what this one did.
  void stop();

  struct Counts {
    std::uint64_t bytes_read = 0;
    double wait_seconds = 0;
  };
  Counts counts() const;

 private:
  /// One of the plan's weight uses.
  struct Use {
    WeightRows stored;
    const Kernel* kernel = nullptr;  // one that uses it; packs it
    int src = 0;
    std::size_t owner = 0;   // if it stays: the first use of the same place
    bool is_loaded = false;  // unless it is streamed
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
  std::vector<std::size_t> order_;  // uses that a run loads: the stream's chunks
  std::size_t next_ = 0;            // index into order_
  bool loads_ = false;              // whether order_ has weights that stay
  bool reads_inline_ = false;       // the page cache holds the files: no reading ahead
  std::optional<WeightStream> stream_;
  Counts before_;  // of earlier streams and of inline reads
};

}  // namespace semblance
