#include "weights/audit.h"

#include "weights/weights_test.h"

namespace semblance {
namespace {

const std::vector<Expected> kExpected = {{"conv.weight", {2, 3}}, {"conv.bias", {2}}};

class Audit : public ::testing::Test {
 protected:
  void add(const std::string& name, Shape shape, DType dtype = DType::kF16) {
    weights_.add(name, {.dtype = dtype, .shape = shape, .file = testing::file_of(""), .offset = 0});
  }
  void run() const { audit("the UNet in unet", kExpected, weights_, kComputedBuffers); }
  WeightMap weights_;
};

TEST_F(Audit, AcceptsMatchingTensors) {
  add("conv.weight", {2, 3});
  add("conv.bias", {2}, DType::kF32);
  add("norm.num_batches_tracked", {}, DType::kI64);
  EXPECT_NO_THROW(run());
}

TEST_F(Audit, ReportsEverythingTogether) {
  add("conv.weight", {3, 2});
  add("extra", {1});
  EXPECT_ERROR(
      [&] { run(); },
      "missing: cannot use the UNet in unet: its config declares 2 tensors, the files have "
      "2, and they do not match\n"
      "  1 is missing: conv.bias [2]\n"
      "  1 has the wrong shape: conv.weight is [3,2], expected [2,3]\n"
      "  1 is unexpected: extra\n"
      "  the config and the weights are probably from different models");
}

TEST_F(Audit, AWrongShapeAloneIsKShape) {
  add("conv.weight", {2, 3});
  add("conv.bias", {3});
  EXPECT_ERROR([&] { run(); }, "shape: cannot use the UNet");
}

TEST_F(Audit, QuantisedWeightsAreNotFloats) {
  add("conv.weight", {2, 3}, DType::kI8);
  add("conv.bias", {2});
  EXPECT_ERROR([&] { run(); }, "shape: cannot use");
  EXPECT_ERROR([&] { run(); }, "1 is not float: conv.weight is i8");
}

TEST_F(Audit, ShowsTheFirstFewAndCountsTheRest) {
  add("conv.weight", {2, 3});
  add("conv.bias", {2});
  for (int i = 0; i < 7; ++i) add("lora." + std::to_string(i), {1});
  EXPECT_ERROR([&] { run(); }, "corrupt: cannot use");
  EXPECT_ERROR([&] { run(); }, "7 are unexpected: lora.0, lora.1, lora.2, lora.3, ...\n");
}

TEST(Pattern, Matches) {
  EXPECT_TRUE(matches_pattern("a.b.position_ids", "*.position_ids"));
  EXPECT_TRUE(matches_pattern("position_ids", "*position_ids"));
  EXPECT_FALSE(matches_pattern("position_ids", "*.position_ids"));
  EXPECT_FALSE(matches_pattern("a.position_ids.b", "*.position_ids"));
  EXPECT_TRUE(matches_pattern("abcabd", "*ab*d"));
  EXPECT_TRUE(matches_pattern("", "*"));
  EXPECT_FALSE(matches_pattern("a", ""));
}

}  // namespace
}  // namespace semblance
