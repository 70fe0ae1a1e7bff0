#include "runtime/kernel_cache.h"

#include "core/parallel.h"
#include "graph/fields.h"

namespace semblance {
namespace {

/// "cpu 2 linear has_bias=false f32[2,3] w:f32[5,3]": kernels book scratch by the number of
/// threads.
std::string kind_of(const Backend& backend, const NodeView& node) {
  std::string kind = fmt::format("{} {} {}{}", backend.name(), threads(), name_of(node.any_op()),
                                 fields_text(node.any_op()));
  for (int i = 0; i < node.src_count(); ++i)
    kind += (node.src_is_weight(i) ? " w:" : " ") + to_string(node.src(i));
  return kind;
}

}  // namespace

SharedKernel KernelCache::choose(const Backend& backend, const NodeView& node) {
  std::string kind = kind_of(backend, node);
  const auto known = kernels_.find(kind);
  if (known != kernels_.end()) return known->second;
  ChosenKernel chosen = choose_kernel(backend, node);
  const SharedKernel shared{std::move(chosen.kernel), chosen.name};
  kernels_.emplace(std::move(kind), shared);
  waiting_.push_back(shared.kernel);
  return shared;
}

bool KernelCache::compile_next() {
  if (waiting_.empty()) return false;
  const std::shared_ptr<Kernel> kernel = std::move(waiting_.back());
  waiting_.pop_back();
  kernel->compile();
  return true;
}

}  // namespace semblance
