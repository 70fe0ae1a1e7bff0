// Shares kernels among equal nodes: a model has thousands of nodes but only a few hundred kinds,
// and a kernel's generated code can take hundreds of KiB.
//
// A kernel keeps no state between runs, so nodes that run one after the other can share it. Not
// thread-safe. A kernel lives as long as the cache or anyone else holds it.
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

/// Identifies a node's kernel: "cpu 2 linear has_bias=false f32[2,3] w:f32[5,3]". Includes the
/// number of threads, since a kernel's scratch depends on it.
std::string kernel_kind(const Backend& backend, const NodeView& node);

class KernelCache {
 public:
  /// The kernel that choose_kernel() returns, shared by all nodes of the same kernel_kind(). Throws
  /// as choose_kernel() does.
  SharedKernel choose(const Backend& backend, const NodeView& node);
  std::size_t size() const { return kernels_.size(); }

 private:
  std::map<std::string, SharedKernel, std::less<>> kernels_;  // by kind
};

}  // namespace semblance
