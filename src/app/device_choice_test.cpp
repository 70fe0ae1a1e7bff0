#include "app/device_choice.h"

#include <gtest/gtest.h>

#include "backend/backends.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

TEST(DeviceChoice, TakesNamesOfDevices) {
  for (const char* device : {"auto", "cpu", "gpu", "gpu:1", "gpu:radeon"})
    EXPECT_EQ(parse_device(device, "--device"), device);
  for (const char* device : {"", "cuda", "gpu:", "ref"}) {
    testing::expect_error(ErrorKind::kArgument, "cannot take --device: expected auto, cpu, gpu",
                          [&] { parse_device(device, "--device"); });
  }
  EXPECT_EQ(found_device("cpu"), "cpu");
  EXPECT_EQ(found_device("gpu:1"), "gpu:1");
}

TEST(DeviceChoice, MeasuresWhichBackendIsFaster) {
  EXPECT_FALSE(computes_faster(reference_backend(), cpu_backend()));
}

TEST(DeviceChoice, TheProcessorHasNoCardMemory) {
  EXPECT_FALSE(card_use(cpu_backend()).has_value());
}

}  // namespace
}  // namespace semblance
