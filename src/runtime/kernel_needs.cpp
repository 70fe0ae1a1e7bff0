#include "runtime/kernel_needs.h"

#include "graph/views.h"
#include "runtime/weight_packer.h"

namespace semblance {
namespace {

constexpr double kGuessedOperations = 200e9;  // a second
constexpr double kGuessedBytes = 8e9;

double guessed_seconds(const Graph& graph, const Node& node) {
  const std::vector<TensorType> types = graph.src_types(node);
  double bytes = static_cast<double>(graph.type(node.dst).bytes());
  for (ValueId src : node.src) {
    if (graph.values()[static_cast<std::size_t>(src)].kind != ValueKind::kWeight)
      bytes += static_cast<double>(graph.type(src).bytes());
  }
  const Operations operations =
      std::visit([&](const auto& op) { return op.cost(types, graph.type(node.dst)); }, node.op);
  return operations / kGuessedOperations + bytes / kGuessedBytes;
}

bool is_never_run(const Graph& graph, const Node& node) {
  return std::holds_alternative<Reshape>(node.op) || std::holds_alternative<Spill>(node.op) ||
         std::holds_alternative<Fetch>(node.op) || std::holds_alternative<Blank>(node.op) ||
         reads_rows(graph, node);
}

}  // namespace

bool reads_rows(const Graph& graph, const Node& node) {
  return std::holds_alternative<Embedding>(node.op) &&
         graph.values()[static_cast<std::size_t>(node.src[1])].kind == ValueKind::kWeight;
}

SharedKernel KernelNeeds::kernel(const Graph& graph, const Node& node) {
  if (is_never_run(graph, node)) return {};
  return cache_.choose(backend_, NodeView(graph, node));
}

NodeNeeds KernelNeeds::of(const Graph& graph, const Node& node) {
  NodeNeeds needs;
  needs.src.resize(node.src.size());
  const SharedKernel shared = kernel(graph, node);
  if (!shared.kernel) return needs;
  const Kernel& kernel = *shared.kernel;
  const NodeView view(graph, node);
  needs.scratch_bytes = kernel.scratch_bytes();
  needs.keeps_bits_by_channels = kernel.keeps_bits_by_output_channels();
  needs.seconds = seconds_ ? seconds_(view, shared.name) : guessed_seconds(graph, node);
  for (std::size_t i = 0; i < node.src.size(); ++i) {
    const ValueInfo& info = graph.values()[static_cast<std::size_t>(node.src[i])];
    if (info.kind != ValueKind::kWeight) continue;
    const int src = static_cast<int>(i);
    const StoredTensor* stored = weights_.find(info.name);
    const DType dtype = stored != nullptr ? stored->dtype : DType::kF16;
    WeightNeeds& need = needs.src[i];
    need.packed_bytes = kernel.packed_bytes(src);
    need.raw_bytes = static_cast<std::uint64_t>(info.type.shape.elements()) * size_of(dtype);
    need.layout = kernel.layout(src);
    need.staging_bytes = staging_bytes(kernel, src, info.type.shape);
  }
  return needs;
}

}  // namespace semblance
