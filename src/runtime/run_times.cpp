#include "runtime/run_times.h"

#include <algorithm>

namespace semblance {

void RunTimes::add_node(std::string_view kernel, Operations operations) {
  nodes_.push_back({.kernel = kernel, .operations = operations});
}

void RunTimes::add(std::size_t node, double read_seconds, double run_seconds) {
  KernelTime& time = nodes_[node];
  ++time.calls;
  time.read_seconds += read_seconds;
  time.run_seconds += run_seconds;
}

std::vector<KernelTime> RunTimes::by_kernel() const {
  std::vector<KernelTime> times;
  for (const KernelTime& node : nodes_) {
    auto found = std::find_if(times.begin(), times.end(),
                              [&](const KernelTime& time) { return time.kernel == node.kernel; });
    if (found == times.end()) found = times.insert(times.end(), KernelTime{.kernel = node.kernel});
    found->calls += node.calls;
    found->run_seconds += node.run_seconds;
    found->read_seconds += node.read_seconds;
    found->operations += node.operations * node.calls;
  }
  std::sort(times.begin(), times.end(), [](const KernelTime& a, const KernelTime& b) {
    return a.run_seconds + a.read_seconds > b.run_seconds + b.read_seconds;
  });
  return times;
}

}  // namespace semblance
