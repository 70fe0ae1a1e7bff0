// Kernels against the reference on layers closer to their real size: tests/shapes/slow/<op>.txt.
#include "tests/support/agreement.h"

namespace semblance {
namespace {

class SlowAgreement : public ::testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Ops, SlowAgreement,
                         ::testing::Values(Conv2d::kName, Linear::kName, Attention::kName,
                                           GroupNorm::kName),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(SlowAgreement, OfTheCpuWithTheReference) {
  testing::expect_agreement(cpu_backend(), GetParam(),
                            testing::shapes_path(fmt::format("slow/{}", GetParam())));
}

}  // namespace
}  // namespace semblance
