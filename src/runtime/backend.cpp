#include "runtime/backend.h"

#include "core/convert.h"

namespace semblance {

PlainKernel::PlainKernel(const NodeView& node) {
  for (int i = 0; i < node.src_count(); ++i) types_.push_back(node.src(i));
}

void PlainKernel::pack(int src, std::int64_t first_row, std::int64_t rows,
                       std::span<const float> plain, std::span<std::byte> packed) const {
  const TensorType& type = types_[static_cast<std::size_t>(src)];
  const std::size_t row_bytes =
      static_cast<std::size_t>(type.shape.rank() == 0 ? 1 : type.shape.elements_from(1)) *
      size_of(type.dtype);
  from_f32(plain, type.dtype,
           packed.subspan(static_cast<std::size_t>(first_row) * row_bytes,
                          static_cast<std::size_t>(rows) * row_bytes));
}

ChosenKernel choose_kernel(const Backend& backend, const NodeView& node,
                           std::vector<std::string>* declined) {
  const std::string_view op = name_of(node.any_op());
  std::string reasons;
  for (const KernelEntry& entry : backend.kernels()) {
    if (entry.op != op) continue;
    Made made = entry.make(node);
    if (made.kernel) return {std::move(made.kernel), entry.name};
    if (declined) declined->push_back(fmt::format("{}: {}", entry.name, made.why_not));
    reasons += fmt::format("\n  {}: {}", entry.name, made.why_not);
  }
  std::string types;
  for (int i = 0; i < node.src_count(); ++i) types += (i > 0 ? ", " : "") + to_string(node.src(i));
  fail(ErrorKind::kDevice, "backend {} has no kernel for {}({}){}", backend.name(), op, types,
       reasons.empty() ? "\n  none is in its table" : reasons);
}

}  // namespace semblance
