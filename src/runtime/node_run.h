// Runs a single node, for measuring and for tests: a kernel, and device memory with a place for
// each source, the result and the scratch. Not thread-safe.
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

  /// With the kernel that choose_kernel() returns. Throws as it does.
  NodeRun(const Backend& backend, Op op, const std::vector<Source>& sources);
  /// With a kernel of the given entry of the backend, or with none if it declines.
  NodeRun(const Backend& backend, const KernelEntry& entry, Op op,
          const std::vector<Source>& sources);

  bool has_kernel() const { return chosen_.kernel != nullptr; }
  const Kernel& kernel() const { return *chosen_.kernel; }
  const KernelEntry& entry() const { return *chosen_.entry; }
  /// Why kernels declined: "onednn_linear: the weight is computed, not read".
  const std::vector<std::string>& declined() const { return declined_; }
  NodeView node() const { return {graph_, graph_.nodes().back()}; }

  /// Memory that take_memory(0) allocates.
  std::uint64_t bytes() const;
  /// Compiles and allocates memory unless that has been done. set() and run() do it, too. There are
  /// `guard_bytes` before and after each place. Throws Error(kMemory).
  void take_memory(std::uint64_t guard_bytes = 0);

  /// Sets source i, converting to its type or packing the whole weight.
  void set(std::size_t i, std::span<const float> values);
  /// Sets the raw bytes of source i.
  void set_bytes(std::size_t i, std::span<const std::byte> bytes);
  /// Computes into a place of its own, or in the place of source `overwritten`.
  void run(int overwritten = -1);
  /// The result of the last run.
  std::vector<std::byte> result_bytes() const;
  std::vector<float> result() const;

  Executor& executor() const { return *executor_; }
  /// All of the memory, and the places in it.
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
