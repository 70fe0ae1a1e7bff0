// Lets every test of this room run as on a processor without AVX-512: with ONEDNN_MAX_CPU_ISA=AVX2
// in the environment oneDNN limits itself, and this file limits our own kernels.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "backend/backends.h"
#include "hwy/highway.h"

namespace semblance {
namespace {

bool limited_to_avx2() {
  const char* isa = std::getenv("ONEDNN_MAX_CPU_ISA");
  return isa != nullptr && std::strcmp(isa, "AVX2") == 0;
}

class IsaLimit : public ::testing::Environment {
 public:
  void SetUp() override {
    if (limited_to_avx2()) hwy::DisableTargets(HWY_AVX3 | HWY_AVX3_DL);
  }
};
[[maybe_unused]] const ::testing::Environment* const limit =
    ::testing::AddGlobalTestEnvironment(new IsaLimit);

TEST(IsaLimit, AppliesToOurKernelsAndTheLibrary) {
  if (!limited_to_avx2()) GTEST_SKIP() << "not limited";
  EXPECT_FALSE(has_native_bf16());
  EXPECT_EQ(hwy::SupportedTargets() & (HWY_AVX3 | HWY_AVX3_DL), 0);
}

}  // namespace
}  // namespace semblance
