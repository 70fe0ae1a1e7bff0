// What the planner asks of kernels, answered from a backend's kernels and the weights' files.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>

#include "planner/plan.h"
#include "runtime/backend.h"
#include "weights/weight_map.h"

namespace semblance {

/// Predicted seconds of a kernel's run: operations and bytes over what the machine does.
using SecondsOf = std::function<double(const NodeView&, const KernelEntry&)>;

/// Chooses kernels, and remembers of them what a planner asks: it looks at many more than run. One
/// thread at a time.
class KernelNeeds {
 public:
  /// All must outlive this. Weights that are not in `weights` are taken for fp16: that is how plans
  /// are made where there are no files yet. `seconds` may be empty: a rough guess then. `check` is
  /// called before each answer, and ends a planning by throwing.
  KernelNeeds(const Backend& backend, const WeightMap& weights, const SecondsOf& seconds,
              std::function<void()> check = {})
      : backend_(backend), weights_(weights), seconds_(seconds), check_(std::move(check)) {}

  /// Throws Error(kDevice) for an op without a kernel, and what `check` throws.
  NodeNeeds of(const Graph& graph, const Node& node);
  /// Of the kernels that run a graph, how many come with code that is generated.
  int generated_kernels(const Graph& graph);

 private:
  struct Known {
    NodeNeeds needs;  // without raw_bytes
    bool generates = false;
    int seen = 0;  // in which call of generated_kernels()
  };
  Known& known(const Graph& graph, const Node& node);
  Known ask(const Graph& graph, const Node& node) const;

  const Backend& backend_;
  const WeightMap& weights_;
  const SecondsOf& seconds_;
  std::function<void()> check_;
  std::unordered_map<std::string, Known> known_;  // by kind of kernel
  int calls_ = 0;
};

/// Whether a kernel runs the node; not where bytes are moved or stay.
bool is_run_by_kernel(const Graph& graph, const Node& node);

/// Whether the node is an embedding whose table stays in its file.
bool reads_rows(const Graph& graph, const Node& node);

}  // namespace semblance
