// One node by itself, for measuring and for tests: a kernel, and memory of its device with a place
// for each source, the result and the scratch. One thread at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/backend.h"
#include "runtime/device.h"

namespace semblance {

class NodeRun {
 public:
  struct Source {
    TensorType type;
    bool is_weight = false;
  };

  /// With the kernel that choose_kernel() gives. Throws as it does.
  NodeRun(const Backend& backend, Op op, const std::vector<Source>& sources);
  /// With a kernel of the entry, which is one of the backend's; without one where it declines.
  NodeRun(const Backend& backend, const KernelEntry& entry, Op op,
          const std::vector<Source>& sources);

  bool has_kernel() const { return chosen_.kernel != nullptr; }
  const Kernel& kernel() const { return *chosen_.kernel; }
  const KernelEntry& entry() const { return *chosen_.entry; }
  /// Reasons of kernels that declined: "onednn_linear: the weight is computed, not read".
  const std::vector<std::string>& declined() const { return declined_; }
  NodeView node() const { return {graph_, graph_.nodes().back()}; }

  /// Memory that take_memory(0) takes.
  std::uint64_t bytes() const;
  /// Compiles and takes memory, where that has not been done: set() and run() do it too.
  /// `guard_bytes` lie before and behind each place. Throws Error(kMemory).
  void take_memory(std::uint64_t guard_bytes = 0);

  /// Values of source i, converted to its type or packed whole.
  void set(std::size_t i, std::span<const float> values);
  /// The bytes of source i as they are.
  void set_bytes(std::size_t i, std::span<const std::byte> bytes);
  /// Computes with dst apart from every source, or in the place of source `overwritten`.
  void run(int overwritten = -1);
  /// Of the last run.
  std::vector<std::byte> result_bytes() const;
  std::vector<float> result() const;

  Executor& executor() const { return *executor_; }
  /// All of the memory, and what lies in it.
  const DevicePlace& whole() const { return whole_; }
  const KernelPlaces& places() const { return places_; }

 private:
  void add_node(Op op, const std::vector<Source>& sources);
  std::uint64_t arrange(KernelPlaces& places, std::uint64_t guard_bytes) const;

  const Device& device_;
  Graph graph_;
  ChosenKernel chosen_;
  std::vector<std::string> declined_;
  std::unique_ptr<Executor> executor_;
  DevicePlace whole_;
  KernelPlaces places_;
  std::map<int, std::size_t> commands_;  // by overwritten source
  int overwritten_ = -1;                 // by the last run
};

}  // namespace semblance
