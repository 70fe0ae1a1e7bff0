#include "runtime/backend.h"

#include "core/convert.h"

namespace semblance {

std::span<const float> PackRows::f32() const {
  SEMBLANCE_ASSERT(dtype == DType::kF32);
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

Kernel::Kernel(const NodeView& node) {
  for (int i = 0; i < node.src_count(); ++i) src_.push_back(node.src(i));
}

std::size_t Kernel::packed_bytes(int src) const {
  return src_[static_cast<std::size_t>(src)].bytes();
}
std::uint64_t Kernel::layout(int) const { return 0; }
std::int64_t Kernel::pack_rows(int) const { return 1; }
bool Kernel::packs_raw(int, DType) const { return false; }

void Kernel::pack(int src, const PackRows& rows, std::span<std::byte> packed) const {
  const TensorType& type = src_[static_cast<std::size_t>(src)];
  const std::size_t row_bytes =
      static_cast<std::size_t>(type.shape.rank() == 0 ? 1 : type.shape.elements_from(1)) *
      size_of(type.dtype);
  from_f32(rows.f32(), type.dtype,
           packed.subspan(static_cast<std::size_t>(rows.first) * row_bytes,
                          static_cast<std::size_t>(rows.count) * row_bytes));
}

ChosenKernel choose_kernel(const Backend& backend, const NodeView& node,
                           std::vector<std::string>* declined) {
  const std::string_view op = name_of(node.any_op());
  std::string reasons;
  for (const KernelEntry& entry : backend.kernels()) {
    if (entry.op != op) continue;
    Made made = entry.make(node, backend.device());
    if (made.kernel) return {std::move(made.kernel), &entry};
    if (declined) declined->push_back(fmt::format("{}: {}", entry.name, made.why_not));
    reasons += fmt::format("\n  {}: {}", entry.name, made.why_not);
  }
  std::string types;
  for (int i = 0; i < node.src_count(); ++i) types += (i > 0 ? ", " : "") + to_string(node.src(i));
  fail(ErrorKind::kDevice, "backend {} has no kernel for {}({}){}", backend.name(), op, types,
       reasons.empty() ? "\n  its table has none" : reasons);
}

}  // namespace semblance
