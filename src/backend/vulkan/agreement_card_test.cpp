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

}  // namespace
}  // namespace semblance
