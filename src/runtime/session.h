// A graph that is ready to run: kernels chosen, memory planned and allocated, weights kept or
// streamed.
//
//   Session session(std::move(graph), cpu_backend(), weights, {});
//   session.set_input("x", values); session.run(stop); read session.output("y")
//
// Not thread-safe; the kernels use the thread pool. Inputs keep their bytes from run to run. Values
// are on the backend's device (runtime/device.h), where only the executor touches them.
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
#include "runtime/kept_weights.h"
#include "runtime/kernel_needs.h"
#include "runtime/run_times.h"
#include "weights/weight_patch.h"

namespace semblance {

class Trace;

struct SessionOptions {
  /// The session's memory limit and the machine's rates. Without a limit, nothing is spilled, and
  /// weights stay in memory.
  FitOptions fit = unlimited();
  /// Creates the file for spilled values; may be empty if fit.may_spill is false.
  std::function<std::unique_ptr<Scratch>(std::uint64_t bytes)> scratch = {};
  SecondsOf seconds = {};
  Trace* trace = nullptr;
  /// Generates kernels' code on first use and frees it after the last. For graphs that run once and
  /// have so many kernels that their code costs more memory than it is worth.
  bool release_kernels = false;

  static FitOptions unlimited() {
    FitOptions fit;
    fit.may_spill = false;
    fit.keep_weights = true;
    return fit;
  }
};

/// What a session's runs moved in the background, and how long they waited for it.
struct StreamTimes {
  std::uint64_t weight_bytes = 0;
  std::uint64_t spilled_bytes = 0;
  std::uint64_t fetched_bytes = 0;
  double weight_wait_seconds = 0;
  double scratch_wait_seconds = 0;
};

/// The program that a session with these options would run. Throws Error(kMemory), stating the
/// least memory needed, if none fits, and Error(kDevice) for an op without a kernel.
Program plan_session(const Graph& graph, KernelNeeds& kernels, const SessionOptions& options);

class Session {
 public:
  /// Chooses kernels, plans and allocates memory. Weights that stay are read on first use. Every
  /// weight of the graph must be in `weights` with its shape; throws Error(kMissing) or
  /// Error(kShape) otherwise (an audit beforehand gives better messages). Throws Error(kDevice) for
  /// an op without a kernel, Error(kMemory), Error(kCancelled).
  /// `kept`: of a session of the same backend and `weights`. Its bytes are part of what `options`
  /// grants.
  Session(const Graph& graph, const Backend& backend, const WeightView& weights,
          const SessionOptions& options = {}, std::stop_token stop = {}, KeptWeights kept = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  /// The graph that runs: lowered.
  const Graph& graph() const;
  const Plan& plan() const;
  /// Predicted for every run but the first.
  double predicted_seconds() const;

  /// The bytes of an input in memory, to be written whole before the next run; its type is the
  /// graph's. Throws Error(kInternal) for an unknown name and for an input in the scratch file.
  std::span<std::byte> input(std::string_view name);
  bool is_in_file(std::string_view input) const;
  /// Sets a float input from as many values as it has, converting to its dtype. Of fewer values, by
  /// which its number can be divided, from repetitions.
  void set_input(std::string_view name, std::span<const float> values);
  void set_input(std::string_view name, std::span<const std::int32_t> values);

  /// Runs all nodes in order. Throws Error(kCancelled) between two nodes if a stop is requested,
  /// and what a failing file throws. The session can run again afterwards.
  void run(std::stop_token stop = {});

  /// Valid until the next run.
  std::span<const std::byte> output(std::string_view name) const;
  /// The output as f32, converted from its dtype.
  std::vector<float> output_f32(std::string_view name) const;

  /// Times since construction, longest first.
  std::vector<KernelTime> times() const;
  /// In the order of graph().nodes(); operations of one run.
  const std::vector<KernelTime>& node_times() const;
  StreamTimes stream_times() const;

  /// Ends the session and frees all but the weights in memory, and these as well if the device
  /// cannot keep them.
  KeptWeights end() &&;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace semblance
