#include "runtime/kernel_cache.h"

#include "core/parallel.h"
#include "graph/fields.h"

namespace semblance {
std::string kernel_kind(const Backend& backend, const NodeView& node) {
  std::string kind = fmt::format("{} {} {}{}", backend.name(), threads(), name_of(node.any_op()),
                                 fields_text(node.any_op()));
  for (int i = 0; i < node.src_count(); ++i)
    kind += (node.src_is_weight(i) ? " w:" : " ") + to_string(node.src(i));
  return kind;
}

SharedKernel KernelCache::choose(const Backend& backend, const NodeView& node) {
  std::string kind = kernel_kind(backend, node);
  const auto known = kernels_.find(kind);
  if (known != kernels_.end()) return known->second;
  ChosenKernel chosen = choose_kernel(backend, node);
  return kernels_.emplace(std::move(kind), SharedKernel{std::move(chosen.kernel), chosen.entry})
      .first->second;
}

}  // namespace semblance
