// Kernels shared by equal nodes: a model has thousands of nodes of a few hundred kinds, and a
// kernel's generated code takes up to hundreds of KiB.
//
// A kernel keeps nothing of a run, so nodes that run one after the other may share it. One thread
// at a time; the kernels live as long as someone holds them, the cache included.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/backend.h"

namespace semblance {

struct SharedKernel {
  std::shared_ptr<Kernel> kernel;
  std::string_view name;
};

class KernelCache {
 public:
  /// The kernel that choose_kernel() gives, one for all nodes of the same op with the same
  /// attributes whose sources have the same types and are weights alike. Throws as it does.
  SharedKernel choose(const Backend& backend, const NodeView& node);
  /// Compiles what was chosen and is not compiled yet, one kernel a call; false when there is none
  /// left. So a caller can stop in between.
  bool compile_next();

  std::size_t size() const { return kernels_.size(); }

 private:
  std::map<std::string, SharedKernel, std::less<>> kernels_;  // by what sets a node's kind apart
  std::vector<std::shared_ptr<Kernel>> waiting_;              // to be compiled
};

}  // namespace semblance
