// Drivers for real cards compile every kernel for layers of SDXL's size. They start without a card
// (tools/vulkan_run amd:CHIP, nvk:CHIPSET), so nothing is computed.
#include <cstdlib>
#include <set>

#include "backend/vulkan/card_backend_test.h"
#include "backend/vulkan/pipeline_statistics_test.h"
#include "runtime/node_run.h"
#include "tests/support/op_case.h"
#include "tests/support/op_parts.h"

namespace semblance {
namespace {

const Backend& counted_backend() {
  static const VulkanDevice& device = testing::kShared->keep(std::make_unique<const VulkanDevice>(
      choose_card(find_cards(), "gpu:0").facts,
      VulkanDevice::Options{.pipeline_folder = {}, .hook = testing::StatisticsHook::hook()}));
  static const Backend& backend = testing::kShared->keep(vulkan_backend(device));
  return backend;
}

/// Prepares the op's kernel on the card, for the case with f32 replaced by `dtype`. Returns why it
/// declined, or nothing.
std::string compile(const KernelEntry& entry, const Graph& graph, DType dtype) {
  const Node& node = graph.nodes()[0];
  std::vector<NodeRun::Source> sources;
  for (ValueId id : node.src) {
    const ValueInfo& value = graph.values()[static_cast<std::size_t>(id)];
    NodeRun::Source source{value.type, value.kind == ValueKind::kWeight};
    if (takes_dtype(value)) source.type.dtype = dtype;
    sources.push_back(source);
  }
  NodeRun run(counted_backend(), entry, node.op, sources);
  if (!run.has_kernel()) return run.declined().front();
  run.take_memory();
  run.executor().prepare(run.kernel(), run.places());
  return "";
}

/// "amd:navi31 vulkan_linear f16 96 0": the most registers of an invocation, and spills.
std::string row_of(const KernelEntry& entry, DType dtype,
                   const testing::PipelineStatistics& statistics) {
  return fmt::format("{} {} {} {} {}", std::getenv("SEMBLANCE_VULKAN_DEVICE"), entry.name,
                     name_of(dtype), statistics.registers, statistics.spills);
}

/// The committed rows, for this driver's version; empty if they were made with another one.
std::set<std::string> committed_rows(const std::string& driver_version) {
  std::set<std::string> rows;
  const std::string text = read_small_file(
      std::string(SEMBLANCE_SOURCE_DIR) + "/src/backend/vulkan/compiled.txt", 1 << 20);
  if (text.find("# " + driver_version + "\n") == text.npos) return rows;
  for (const std::string& line : case_lines(text)) rows.insert(line);
  return rows;
}

class CompiledByDrivers : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::skip_without_card();
    if (IsSkipped()) return;
    if (facts().type == CardType::kSoftware)
      GTEST_SKIP() << "agreement_card_test.cpp has this driver compile what it runs";
    rows_ = committed_rows(facts().driver_version);
  }
  static const VulkanFacts& facts() {
    return dynamic_cast<const VulkanDevice&>(counted_backend().device()).facts();
  }
  /// Compiles the kernel's cases and compares what they need with the committed table. Returns how
  /// many it accepts, and adds why it declines the others.
  int check(const KernelEntry& entry, DType dtype, std::string& refusals) {
    int accepted = 0;
    testing::StatisticsHook::take();
    for (const std::string& line : testing::read_case_lines(testing::shapes_path("sdxl"))) {
      const Graph graph = graph_of_case(line);
      const Op& op = graph.nodes()[0].op;
      if (name_of(op) != entry.op) continue;
      const std::vector<DType> dtypes = dtypes_of(op, DType::kF16);
      if (std::ranges::find(dtypes, dtype) == dtypes.end()) continue;
      SCOPED_TRACE(fmt::format("{}: {}", entry.name, line));
      const std::string why_not = compile(entry, graph, dtype);
      if (why_not.empty()) {
        ++accepted;
      } else {
        refusals += "\n  " + why_not;
      }
    }
    if (accepted == 0) return 0;
    const testing::PipelineStatistics statistics = testing::StatisticsHook::take();
    if (statistics.registers == 0) return accepted;  // it shares other kernels' pipelines
    const std::string row = row_of(entry, dtype, statistics);
    std::printf("compiled: %s\n", row.c_str());
    EXPECT_TRUE(rows_.empty() || rows_.contains(row))
        << row << " is not in src/backend/vulkan/compiled.txt; if that is right, run "
        << "tools/compiled_shaders.sh";
    return accepted;
  }

 private:
  std::set<std::string> rows_;
};

TEST_F(CompiledByDrivers, EveryKernel) {
  for (const KernelEntry& entry : counted_backend().kernels()) {
    int accepted = 0;
    std::string refusals;
    for (DType dtype : {DType::kF32, DType::kF16}) accepted += check(entry, dtype, refusals);
    const bool needs_matrices = entry.name.find("matrix") != entry.name.npos;
    if (!needs_matrices || !facts().matrices.empty()) {
      EXPECT_GT(accepted, 0) << entry.name << " accepts no case of tests/shapes/sdxl.txt"
                             << refusals;
    }
  }
}

}  // namespace
}  // namespace semblance
