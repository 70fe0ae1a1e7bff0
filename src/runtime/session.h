// A graph made ready to run: kernels chosen, memory planned and taken, weights kept or streamed.
//
//   Session session(std::move(graph), cpu_backend(), weights, {});
//   session.set_input("x", values); session.run(stop); read session.output("y")
//
// One thread at a time; the kernels use the pool. Inputs keep their bytes from run to run. What is
// computed on lies on the backend's device (runtime/device.h); the session never touches it there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "memory/scratch_file.h"
#include "planner/fit.h"
#include "runtime/backend.h"
#include "runtime/kernel_needs.h"
#include "runtime/run_times.h"
#include "weights/weight_map.h"

namespace semblance {

class Trace;

struct SessionOptions {
  /// What the session may hold, and what it knows of the machine. Without a limit nothing is
  /// spilled, and weights that are used again stay.
  FitOptions fit = unlimited();
  /// Makes the file for spilled values; may be empty where fit.may_spill is false.
  std::function<std::unique_ptr<Scratch>(std::uint64_t bytes)> scratch = {};
  SecondsOf seconds = {};
  Trace* trace = nullptr;
  /// Kernels' code is made when first needed and given back after its last use: for graphs that
  /// run once, and whose many kernels would take more than they save.
  bool release_kernels = false;

  static FitOptions unlimited() {
    FitOptions fit;
    fit.may_spill = false;
    fit.keep_weights = true;
    return fit;
  }
};

/// What a session's runs moved beside the computation, and how long they waited for it.
struct StreamTimes {
  std::uint64_t weight_bytes = 0;
  std::uint64_t spilled_bytes = 0;
  std::uint64_t fetched_bytes = 0;
  double weight_wait_seconds = 0;
  double scratch_wait_seconds = 0;
};

/// The program that a session of these options would run. Throws Error(kMemory) when none fits,
/// with the least that would do in its text, and Error(kDevice) for an op without a kernel.
Program plan_session(const Graph& graph, KernelNeeds& kernels, const SessionOptions& options);

class Session {
 public:
  /// Chooses kernels, plans and takes memory; weights that stay are read when they are first used.
  /// Every weight of the graph must be in `weights` with its shape: Error(kMissing) or
  /// Error(kShape) otherwise (an audit before says it better). Throws Error(kDevice) for an op
  /// without a kernel, Error(kMemory), Error(kCancelled).
  Session(Graph graph, const Backend& backend, const WeightMap& weights,
          const SessionOptions& options = {}, std::stop_token stop = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  /// As it runs: lowered.
  const Graph& graph() const;
  const Plan& plan() const;
  /// Predicted, of a run after the first.
  double predicted_seconds() const;

  /// Where to write an input that lies in memory, all of it, until the next run; its type is the
  /// graph's. Error(kInternal) for a name that is not there, and for an input in the scratch file.
  std::span<std::byte> input(std::string_view name);
  bool is_in_file(std::string_view input) const;
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
  StreamTimes stream_times() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace semblance
