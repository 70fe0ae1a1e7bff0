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

#include "runtime/backend.h"

namespace semblance {

struct SharedKernel {
  std::shared_ptr<Kernel> kernel;
  const KernelEntry* entry = nullptr;
};

/// What sets a node's kernel apart: "cpu 2 linear has_bias=false f32[2,3] w:f32[5,3]"; kernels book
/// scratch by the number of threads.
std::string kernel_kind(const Backend& backend, const NodeView& node);

class KernelCache {
 public:
  /// The kernel that choose_kernel() gives, one for all nodes of the same op with the same
  /// attributes whose sources have the same types and are weights alike. Throws as it does.
  SharedKernel choose(const Backend& backend, const NodeView& node);
  std::size_t size() const { return kernels_.size(); }

 private:
  std::map<std::string, SharedKernel, std::less<>> kernels_;  // by kind
};

}  // namespace semblance
