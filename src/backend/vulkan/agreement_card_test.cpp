// The vulkan backend's kernels against the reference on a card, on the shapes of
// tests/shapes/<op>.txt, in f32 and f16.
#include <set>

#include "backend/vulkan/card_backend_test.h"
#include "tests/support/agreement.h"

namespace semblance {
namespace {

std::vector<std::string_view> ops_with_kernels() {
  std::set<std::string_view> names;
  for (const KernelEntry& entry : vulkan::kernels()) names.insert(entry.op);
  return {names.begin(), names.end()};
}

class CardAgreement : public ::testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override { testing::skip_without_card(); }
};
INSTANTIATE_TEST_SUITE_P(Ops, CardAgreement, ::testing::ValuesIn(ops_with_kernels()),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(CardAgreement, OfVulkanWithTheReference) {
  testing::expect_agreement(testing::card_backend(), GetParam(), testing::shapes_path(GetParam()),
                            DType::kF16);
}

/// As on layers that are large enough for every tile.
class LargeCardAgreement : public CardAgreement {};
INSTANTIATE_TEST_SUITE_P(Ops, LargeCardAgreement, ::testing::Values(Linear::kName, Conv2d::kName),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(LargeCardAgreement, OfVulkanWithTheReference) {
  testing::expect_agreement(testing::card_backend(), GetParam(),
                            testing::shapes_path(fmt::format("card/{}", GetParam())), DType::kF16);
}

/// With matrices of 16 x 16 x 16, as most cards have them; the software driver's usual ones have 8.
class MatrixAgreement : public CardAgreement {};
INSTANTIATE_TEST_SUITE_P(Ops, MatrixAgreement,
                         ::testing::Values(Linear::kName, Conv2d::kName, Attention::kName),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(MatrixAgreement, OfSixteenWithTheReference) {
  VulkanFacts facts = testing::card_device().facts();
  if (!facts.has_flexible_matrices) GTEST_SKIP() << "the card's matrices have one size";
  facts.matrices = {{16, 16, 16, DType::kF16, DType::kF32}};
  const VulkanDevice device(facts);
  const std::unique_ptr<const Backend> backend = vulkan_backend(device);
  testing::expect_agreement(*backend, GetParam(),
                            testing::shapes_path(fmt::format("card/matrix_{}", GetParam())),
                            DType::kF16);
}

/// Without cooperative matrices, which need lavapipe's usual subgroups.
class ScalarBackend : public Backend {
 public:
  ScalarBackend() {
    for (const KernelEntry& entry : vulkan::kernels()) {
      if (entry.name.find("matrix") == entry.name.npos) table_.push_back(entry);
    }
  }
  std::string_view name() const override { return "vulkan"; }
  const Device& device() const override { return testing::card_device(); }
  std::span<const KernelEntry> kernels() const override { return table_; }

 private:
  std::vector<KernelEntry> table_;
};

/// Kernels whose invocations work together, with subgroups of other sizes than lavapipe's 8
/// (CMakeLists.txt).
class AnySubgroups : public CardAgreement {
  void SetUp() override {
    CardAgreement::SetUp();
    if (std::getenv("LP_NATIVE_VECTOR_WIDTH") == nullptr)
      GTEST_SKIP() << "set LP_NATIVE_VECTOR_WIDTH to 128, 512 or 1024";
  }
};
INSTANTIATE_TEST_SUITE_P(Ops, AnySubgroups,
                         ::testing::Values(Linear::kName, Attention::kName, LayerNorm::kName,
                                           GroupNorm::kName, GroupMoments::kName,
                                           ScaleLowFrequencies::kName),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(AnySubgroups, OfVulkanWithTheReference) {
  EXPECT_NE(testing::card_device().facts().subgroup_size, 8U);
  testing::expect_agreement(ScalarBackend(), GetParam(), testing::shapes_path(GetParam()),
                            DType::kF16);
}

}  // namespace
}  // namespace semblance
