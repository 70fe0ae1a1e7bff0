// Answers what the planner needs to know about kernels, from a backend's kernels and the weights'
// files.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>

#include "planner/plan.h"
#include "runtime/backend.h"
#include "weights/weight_patch.h"

namespace semblance {

/// Predicted seconds of a kernel's run: operations and bytes over the machine's rates.
using SecondsOf = std::function<double(const NodeView&, const KernelEntry&)>;

/// Chooses kernels and caches the answers rather than the kernels, since a planner asks about many
/// more kernels than run. Not thread-safe.
class KernelNeeds {
 public:
  /// All, and what `weights` shows, must outlive this. Weights missing from `weights` are assumed
  /// to be fp16, so that plans can be made before the files exist. An empty `seconds` means a rough
  /// guess. `check` is called before each answer; it can throw to cancel planning.
  KernelNeeds(const Backend& backend, const WeightView& weights, const SecondsOf& seconds,
              std::function<void()> check = {})
      : backend_(backend), weights_(weights), seconds_(seconds), check_(std::move(check)) {}

  /// Throws Error(kDevice) for an op without a kernel, and whatever `check` throws.
  NodeNeeds of(const Graph& graph, const Node& node);
  /// How many of the kernels that run a graph generate code.
  int generated_kernels(const Graph& graph);

 private:
  struct Known {
    NodeNeeds needs;  // without raw_bytes
    bool generates = false;
    int seen = 0;  // the last call of generated_kernels() that counted it
  };
  Known& known(const Graph& graph, const Node& node);
  Known ask(const Graph& graph, const Node& node) const;

  const Backend& backend_;
  const WeightView weights_;
  const SecondsOf& seconds_;
  std::function<void()> check_;
  std::unordered_map<std::string, Known> known_;  // by kind of kernel
  int calls_ = 0;
};

/// Whether a kernel runs the node. False for reshapes, blanks, spills, fetches and embeddings whose
/// table stays in its file.
bool is_run_by_kernel(const Graph& graph, const Node& node);

/// Whether the node is an embedding whose table stays in its file.
bool reads_rows(const Graph& graph, const Node& node);

}  // namespace semblance
