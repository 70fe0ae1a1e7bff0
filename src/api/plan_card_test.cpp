// What the library says of a graphics card's memory.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "semblance/semblance.h"

namespace {

TEST(PlanOnCard, SaysTheLeastMemoryOfTheCard) {
  if (std::getenv("SEMBLANCE_VULKAN_DEVICE") == nullptr)
    GTEST_SKIP() << "run this with tools/vulkan_run";
  const std::filesystem::path checkpoint = std::filesystem::path(SEMBLANCE_SOURCE_DIR) /
                                           "tests/goldens/pipeline/fp16_published/checkpoint";
  semblance::Models models{.base = checkpoint / "base",
                           .identitynet = checkpoint / "identitynet",
                           .adapter = checkpoint / "ip-adapter.bin",
                           .device = "gpu:0"};
  const semblance::Settings settings{.prompt = "a man", .width = 64, .height = 64, .steps = 1};
  const semblance::Plan plan = semblance::Generator(models).plan(settings);
  EXPECT_TRUE(plan.fits);
  if (std::string_view(std::getenv("SEMBLANCE_VULKAN_DEVICE")) == "lavapipe") {
    EXPECT_EQ(plan.minimum_gpu_bytes, 0U) << "it has the process' memory";
    return;
  }
  ASSERT_GT(plan.minimum_gpu_bytes, 0U);
  models.gpu_memory_bytes = plan.minimum_gpu_bytes;
  EXPECT_TRUE(semblance::Generator(models).plan(settings).fits);
  models.gpu_memory_bytes = 1;
  EXPECT_FALSE(semblance::Generator(models).plan(settings).fits);
}

}  // namespace
