// The time a session's runs spent, by node and by kernel. Not thread-safe.
#pragma once

#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace semblance {

struct KernelTime {
  std::string_view kernel;
  int calls = 0;
  double run_seconds = 0;
  double read_seconds = 0;  // waiting for these calls' weights, and packing them
  Operations operations = 0;
};

class RunTimes {
 public:
  /// Adds the next node. `operations`: of one run. `kernel` must outlive this.
  void add_node(std::string_view kernel, Operations operations);
  /// Adds a run of a node: the time spent on its weights, and on computing.
  void add(std::size_t node, double read_seconds, double run_seconds);

  /// The longest first.
  std::vector<KernelTime> by_kernel() const;
  /// In the order of the nodes; operations of one run.
  const std::vector<KernelTime>& by_node() const { return nodes_; }

 private:
  std::vector<KernelTime> nodes_;
};

}  // namespace semblance
