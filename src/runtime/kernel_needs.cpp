#include "runtime/kernel_needs.h"

#include <algorithm>

#include "graph/views.h"
#include "runtime/device.h"
#include "runtime/kernel_cache.h"
#include "runtime/weight_packer.h"
#include "runtime/weight_rows.h"

namespace semblance {
namespace {

constexpr double kGuessedOperations = 200e9;  // per second
constexpr double kGuessedBytes = 8e9;

double guessed_seconds(const Graph& graph, const Node& node) {
  double bytes = static_cast<double>(graph.type(node.dst).bytes());
  for (ValueId src : node.src) {
    if (graph.values()[static_cast<std::size_t>(src)].kind != ValueKind::kWeight)
      bytes += static_cast<double>(graph.type(src).bytes());
  }
  return graph.cost(node) / kGuessedOperations + bytes / kGuessedBytes;
}

/// More than any memory: a plan that runs such a node does not fit.
constexpr std::uint64_t kTooLarge = std::uint64_t{1} << 60;

bool is_too_large(const Graph& graph, const Node& node, const Device& device) {
  const std::uint64_t most = device.largest_value_bytes();
  return graph.type(node.dst).bytes() > most ||
         std::any_of(node.src.begin(), node.src.end(), [&](ValueId src) {
           return graph.values()[static_cast<std::size_t>(src)].kind != ValueKind::kWeight &&
                  graph.type(src).bytes() > most;
         });
}

/// The device has no kernel for a node with values of this size, but has one for its parts. Weights
/// are taken to be packed as they are.
NodeNeeds needs_of_too_large(const Graph& graph, const Node& node) {
  NodeNeeds needs;
  needs.scratch_bytes = kTooLarge;
  needs.is_exact_by_channels = true;
  needs.seconds = guessed_seconds(graph, node);
  needs.src.resize(node.src.size());
  for (std::size_t i = 0; i < node.src.size(); ++i) {
    if (graph.values()[static_cast<std::size_t>(node.src[i])].kind == ValueKind::kWeight)
      needs.src[i].packed_bytes = graph.type(node.src[i]).bytes();
  }
  return needs;
}

}  // namespace

bool reads_rows(const Graph& graph, const Node& node) {
  return std::holds_alternative<Embedding>(node.op) &&
         graph.values()[static_cast<std::size_t>(node.src[1])].kind == ValueKind::kWeight;
}

bool is_run_by_kernel(const Graph& graph, const Node& node) {
  return !is_one_of<Reshape, Spill, Fetch, Blank>(node.op) && !reads_rows(graph, node);
}

KernelNeeds::Known KernelNeeds::ask(const Graph& graph, const Node& node) const {
  const NodeView view(graph, node);
  const ChosenKernel chosen = choose_kernel(backend_, view);
  const Kernel& kernel = *chosen.kernel;
  Known known;
  known.generates = chosen.entry->generates_code;
  NodeNeeds& needs = known.needs;
  needs.scratch_bytes = kernel.scratch_bytes();
  needs.is_exact_by_channels = kernel.is_exact_by_channels();
  needs.seconds = seconds_ ? seconds_(view, *chosen.entry) : guessed_seconds(graph, node);
  needs.src.resize(node.src.size());
  for (int i = 0; i < view.src_count(); ++i) {
    if (!view.src_is_weight(i)) continue;
    WeightNeeds& need = needs.src[static_cast<std::size_t>(i)];
    need.packed_bytes = kernel.packed_bytes(i);
    need.layout = kernel.layout(i);
    need.staging_bytes = staging_bytes(kernel, i, view.src(i).shape);
  }
  return known;
}

KernelNeeds::Known& KernelNeeds::known(const Graph& graph, const Node& node) {
  std::string kind = kernel_kind(backend_, NodeView(graph, node));
  auto found = known_.find(kind);
  if (found == known_.end()) found = known_.emplace(std::move(kind), ask(graph, node)).first;
  return found->second;
}

int KernelNeeds::generated_kernels(const Graph& graph) {
  ++calls_;
  int count = 0;
  for (const Node& node : graph.nodes()) {
    if (!is_run_by_kernel(graph, node) || is_too_large(graph, node, backend_.device())) continue;
    Known& kernel = known(graph, node);
    if (kernel.generates && kernel.seen != calls_) ++count;
    kernel.seen = calls_;
  }
  return count;
}

NodeNeeds KernelNeeds::of(const Graph& graph, const Node& node) {
  if (check_) check_();
  NodeNeeds needs;
  if (!is_run_by_kernel(graph, node)) {
    needs.src.resize(node.src.size());
    return needs;
  }
  if (is_too_large(graph, node, backend_.device())) return needs_of_too_large(graph, node);
  needs = known(graph, node).needs;
  for (std::size_t i = 0; i < node.src.size(); ++i) {
    const ValueInfo& info = graph.values()[static_cast<std::size_t>(node.src[i])];
    if (info.kind != ValueKind::kWeight) continue;
    const StoredTensor* stored = weights_.find(info.name);
    const DType dtype = stored != nullptr ? stored->dtype : DType::kF16;
    WeightNeeds& need = needs.src[i];
    const auto elements = static_cast<std::uint64_t>(info.type.shape.elements());
    need.raw_bytes =
        is_in_blocks(dtype) ? stored_bytes(*stored, info.rows) : elements * size_of(dtype);
    const std::span<const WeightPatch> patches = weights_.patches_of(info.name);
    if (patches.empty()) continue;
    const RowPatcher::Needs added = RowPatcher::needs(patches, info.type.shape, {});
    need.raw_bytes += added.factor_bytes;
    need.staging_bytes += patch_staging_bytes(added);
    need.added_operations = added.operations;
  }
  return needs;
}

}  // namespace semblance
