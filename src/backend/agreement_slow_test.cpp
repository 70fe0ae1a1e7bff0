// Kernels against the reference on layers nearer to their real size: tests/shapes/slow/<op>.txt.
#include "tests/support/agreement.h"

namespace semblance {
namespace {

class SlowAgreement : public ::testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Ops, SlowAgreement,
                         ::testing::Values(Conv2d::kName, Linear::kName, Attention::kName,
                                           GroupNorm::kName),
                         [](const auto& info) { return std::string(info.param); });

/// oneDNN divides a long sum by the size of the whole convolution: from some 2,000 products a value
/// on, a part of the output channels (in bf16, of the rows too) may differ in its last bit.
testing::Parts parts_of(std::string_view op) {
  return op == Conv2d::kName || op == Linear::kName ? testing::Parts::kMayDiffer
                                                    : testing::Parts::kHaveTheBitsOfTheWhole;
}

TEST_P(SlowAgreement, OfTheCpuWithTheReference) {
  testing::expect_agreement(cpu_backend(), GetParam(),
                            testing::shapes_path(fmt::format("slow/{}", GetParam())),
                            parts_of(GetParam()));
}

}  // namespace
}  // namespace semblance
