// Drivers for real cards compile every kernel for layers of SDXL's size. They start without a card
// (tools/vulkan_run amd:CHIP, nvk:CHIPSET), so nothing is computed.
#include <cstdlib>
#include <set>

#include "backend/vulkan/card_backend_test.h"
#include "backend/vulkan/pipeline_statistics_test.h"
#include "backend/vulkan/sdxl_kernels_test.h"

namespace semblance {
namespace {

const Backend& counted_backend() {
  static const VulkanDevice& device = testing::kShared->keep(std::make_unique<const VulkanDevice>(
      choose_card(find_cards(), "gpu:0").facts,
      VulkanDevice::Options{.pipeline_folder = {}, .hook = testing::StatisticsHook::hook()}));
  static const Backend& backend = testing::kShared->keep(vulkan_backend(device));
  return backend;
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
    testing::StatisticsHook::take();
    const std::vector<testing::SdxlRun> runs =
        testing::sdxl_runs(counted_backend(), entry, dtype, refusals);
    const int accepted = static_cast<int>(runs.size());
    for (const auto& [line, run] : runs) {
      SCOPED_TRACE(fmt::format("{}: {}", entry.name, line));
      run->take_memory();
      run->executor().prepare(run->kernel(), run->places());
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
