// Drivers for real cards compile every kernel for layers of SDXL's size. They start without a card
// (tools/vulkan_run amd:CHIP, nvk:CHIPSET), so nothing is computed.
#include <filesystem>

#include "backend/vulkan/card_backend_test.h"
#include "runtime/node_run.h"
#include "tests/support/op_case.h"
#include "tests/support/op_parts.h"

namespace semblance {
namespace {

/// Prepares the op's kernel on the card, for the case with f32 replaced by `dtype`. Returns why it
/// declined, or nothing.
std::string compile(const KernelEntry& entry, const Graph& graph, DType dtype) {
  const Node& node = graph.nodes()[0];
  std::vector<NodeRun::Source> sources;
  for (ValueId id : node.src) {
    const ValueInfo& value = graph.values()[static_cast<std::size_t>(id)];
    NodeRun::Source source{value.type, value.kind == ValueKind::kWeight};
    if (source.type.dtype == DType::kF32 && (!source.is_weight || source.type.shape.rank() >= 2))
      source.type.dtype = dtype;
    sources.push_back(source);
  }
  NodeRun run(testing::card_backend(), entry, node.op, sources);
  if (!run.has_kernel()) return run.declined().front();
  run.take_memory();
  run.executor().prepare(run.kernel(), run.places());
  return "";
}

TEST(CompiledByDrivers, EveryKernel) {
  testing::skip_without_card();
  if (::testing::Test::IsSkipped()) return;
  if (testing::card_device().facts().type == CardType::kSoftware)
    GTEST_SKIP() << "agreement_card_test.cpp has this driver compile what it runs";
  for (const KernelEntry& entry : testing::card_backend().kernels()) {
    int accepted = 0;
    std::string refusals;
    for (const std::string& line : testing::read_case_lines(testing::shapes_path("sdxl"))) {
      const Graph graph = testing::graph_of_case(line);
      const Op& op = graph.nodes()[0].op;
      if (name_of(op) != entry.op) continue;
      SCOPED_TRACE(fmt::format("{}: {}", entry.name, line));
      for (DType dtype : testing::dtypes_of(op, DType::kF16)) {
        const std::string why_not = compile(entry, graph, dtype);
        if (why_not.empty()) {
          ++accepted;
        } else {
          refusals += "\n  " + why_not;
        }
      }
    }
    const bool needs_matrices = entry.name.find("matrix") != entry.name.npos;
    if (!needs_matrices || !testing::card_device().facts().matrices.empty()) {
      EXPECT_GT(accepted, 0) << entry.name << " accepts no case of tests/shapes/sdxl.txt"
                             << refusals;
    }
  }
}

}  // namespace
}  // namespace semblance
