// Where the time of a session's runs went, by node and by kernel. One thread at a time.
#pragma once

#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace semblance {

struct KernelTime {
  std::string_view kernel;
  int calls = 0;
  double run_seconds = 0;
  double read_seconds = 0;  // waiting for weights of these calls, and packing them
  Operations operations = 0;
};

class RunTimes {
 public:
  /// Of the next node, each time that it runs; `kernel` outlives this.
  void add_node(std::string_view kernel, Operations operations);
  /// A node's run: what it waited for its weights, and what it computed.
  void add(std::size_t node, double read_seconds, double run_seconds);

  /// The longest first.
  std::vector<KernelTime> by_kernel() const;

 private:
  std::vector<KernelTime> nodes_;
};

}  // namespace semblance
