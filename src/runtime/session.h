// A graph made ready to run: kernels chosen, memory planned and taken, weights resident or
// streamed.
//
//   Session session(std::move(graph), cpu_backend(), weights, {});
//   copy into session.input("x"); session.run(stop); read session.output("y")
//
// One thread at a time; the kernels use the pool. Inputs keep their bytes from run to run.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "planner/plan.h"
#include "runtime/backend.h"
#include "weights/weight_map.h"

namespace semblance {

struct SessionOptions {
  /// Weights stay in memory up to this many packed bytes, smallest first; the others are read
  /// before every use.
  std::uint64_t resident_limit_bytes = ~std::uint64_t{0};
};

/// Where the time of a session's runs went, by kernel.
struct KernelTime {
  std::string_view kernel;
  int calls = 0;
  double run_seconds = 0;
  double read_seconds = 0;  // streamed weights of these calls
  Operations operations = 0;
};

class Session {
 public:
  /// Chooses kernels, plans, takes memory and reads the resident weights. Every weight of the graph
  /// must be in `weights` with its shape: Error(kMissing) or Error(kShape) otherwise (an audit
  /// before says it better). Throws Error(kDevice) for an op without a kernel, Error(kMemory),
  /// Error(kCancelled), and what reading throws.
  Session(Graph graph, const Backend& backend, const WeightMap& weights,
          const SessionOptions& options = {}, std::stop_token stop = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  const Graph& graph() const;
  const Plan& plan() const;

  /// Where to write an input; its type is the graph's. Error(kInternal) for a name that is not
  /// there.
  std::span<std::byte> input(std::string_view name);
  /// Writes an f32 input of exactly that many values, converting to the input's dtype.
  void set_input(std::string_view name, std::span<const float> values);
  void set_input(std::string_view name, std::span<const std::int32_t> values);

  /// Runs all nodes in order. Throws Error(kCancelled) between two nodes when stop is asked for,
  /// and what a failing file throws; the session can run again after that.
  void run(std::stop_token stop = {});

  /// Valid until the next run.
  std::span<const std::byte> output(std::string_view name) const;
  /// The output as f32, converted from its dtype.
  std::vector<float> output_f32(std::string_view name) const;

  /// Times since the session was made, the longest first.
  std::vector<KernelTime> times() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace semblance
