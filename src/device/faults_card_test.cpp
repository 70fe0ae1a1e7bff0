// Every call of Vulkan that can fail fails in turn: the error says so, nothing leaks, and the next
// run is right.
#include "device/card_test.h"
#include "device/vulkan_api_faults_test.h"
#include "memory/buffer.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

using testing::card_facts;
using testing::floats_at;
using testing::MultiplyAdd;
using testing::read_floats;
using testing::VulkanFaults;
using testing::write_floats;

/// Calls up to the last result of run_on().
std::uint64_t calls_before_end = 0;

/// Opens the card, computes, and reads the result.
std::vector<float> run_on(const VulkanDevice& device) {
  constexpr std::uint64_t kFloats = 1 << 16;
  const auto executor =
      device.make_executor({.arena = 3 * kFloats * sizeof(float), .resident = 4096});
  const MultiplyAdd add(0.5F);
  const MultiplyAdd subtract(-1);
  const DevicePlace a = floats_at(0, kFloats);
  const DevicePlace b = floats_at(kFloats, kFloats);
  const DevicePlace c = floats_at(2 * kFloats, kFloats);
  const std::size_t first = executor->prepare(add, {.src = {a, b}, .dst = c, .scratch = {}});
  const std::size_t second = executor->prepare(subtract, {.src = {a, c}, .dst = a, .scratch = {}});
  for (int i = 0; i < 5; ++i) {  // more pieces than may be under way
    write_floats(*executor, a, std::vector<float>(kFloats, 4));
    write_floats(*executor, b, std::vector<float>(kFloats, static_cast<float>(i)));
    executor->run(first);
    executor->run(second);
    const std::vector<float> result = read_floats(*executor, floats_at(0, 64));
    EXPECT_EQ(result, std::vector<float>(64, static_cast<float>(i) - 2));
  }
  std::vector<float> result = read_floats(*executor, floats_at(0, 64));
  calls_before_end = VulkanFaults::get().calls;
  return result;
}

struct Failure {
  VkResult result;
  bool stays_lost;
  ErrorKind kind;
};

class VulkanFaultsTest : public testing::CardTest {
 protected:
  void TearDown() override { VulkanFaults::get().reset(); }
  /// A device whose calls are counted.
  static VulkanDevice counted_device(const std::filesystem::path& folder = {}) {
    return {card_facts(),
            {.pipeline_folder = folder, .hook = testing::count_calls, .maps_shared_memory = false}};
  }
};

std::uint64_t count_calls_of_a_run() {
  VulkanFaults& faults = VulkanFaults::get();
  faults.reset();
  std::uint64_t calls = 0;
  {
    const VulkanDevice device(
        card_facts(),
        {.pipeline_folder = {}, .hook = testing::count_calls, .maps_shared_memory = false});
    run_on(device);
    calls = faults.calls;
  }
  EXPECT_EQ(faults.leaks(), "");
  EXPECT_LE(calls, calls_before_end + 10);
  return calls;
}

TEST_F(VulkanFaultsTest, EveryCallThatFailsIsAClearErrorAndNothingLeaks) {
  const std::uint64_t calls = count_calls_of_a_run();
  const std::uint64_t before_end = calls_before_end;
  ASSERT_GT(before_end, 50U);
  const std::uint64_t held = count_of(Tag::kStaging).bytes + count_of(Tag::kActivations).bytes +
                             count_of(Tag::kWeights).bytes;
  VulkanFaults& faults = VulkanFaults::get();
  for (const Failure& failure : {Failure{VK_ERROR_OUT_OF_DEVICE_MEMORY, false, ErrorKind::kMemory},
                                 Failure{VK_ERROR_DEVICE_LOST, true, ErrorKind::kDevice}}) {
    for (std::uint64_t n = 1; n <= calls; ++n) {
      faults.reset();
      faults.fail_at = n;
      faults.failure = failure.result;
      faults.stays_lost = failure.stays_lost;
      {
        const VulkanDevice device = counted_device();
        const std::string error = testing::error_of([&] { run_on(device); });
        SCOPED_TRACE(fmt::format("call {} of {}: {}", n, calls, faults.failed));
        ASSERT_FALSE(faults.failed.empty());
        // Ending a run has no error to report.
        if (n <= before_end) {
          ASSERT_TRUE(error.starts_with(std::string(name_of(failure.kind)) + ": cannot ")) << error;
          ASSERT_NE(error.find(name_of(failure.result)), std::string::npos) << error;
          ASSERT_NE(error.find("\n  "), std::string::npos) << "says what to do: " << error;
        }
        // The same device again.
        faults.fail_at = VulkanFaults::kNever;
        ASSERT_EQ(run_on(device), std::vector<float>(64, 2));
      }
      ASSERT_EQ(faults.leaks(), "") << faults.failed;
      ASSERT_EQ(count_of(Tag::kStaging).bytes + count_of(Tag::kActivations).bytes +
                    count_of(Tag::kWeights).bytes,
                held);
    }
  }
}

TEST_F(VulkanFaultsTest, ARunThatFailedCanBeAbandonedAndRepeated) {
  const std::uint64_t calls = count_calls_of_a_run();
  VulkanFaults& faults = VulkanFaults::get();
  faults.reset();
  const VulkanDevice device = counted_device();
  const auto executor = device.make_executor({.arena = 3 * 4096});
  const MultiplyAdd kernel(1);
  const std::size_t command =
      executor->prepare(kernel, {.src = {floats_at(0, 1024), floats_at(1024, 1024)},
                                 .dst = floats_at(2048, 1024),
                                 .scratch = {}});
  const auto run = [&](float value) {
    write_floats(*executor, floats_at(0, 1024), std::vector<float>(1024, value));
    write_floats(*executor, floats_at(1024, 1024), std::vector<float>(1024, 1));
    executor->run(command);
    return read_floats(*executor, floats_at(2048, 1024))[1023];
  };
  int failures = 0;
  for (std::uint64_t n = 1; n <= calls; ++n) {
    faults.calls = 0;
    faults.failed.clear();
    faults.fail_at = n;
    faults.failure = VK_ERROR_OUT_OF_HOST_MEMORY;
    const std::string error = testing::error_of([&] { run(7); });
    if (faults.failed.empty()) break;  // fewer calls than that
    EXPECT_NE(error, "no error") << faults.failed;
    executor->abandon();
    faults.fail_at = VulkanFaults::kNever;
    EXPECT_EQ(run(static_cast<float>(n)), static_cast<float>(n + 1)) << faults.failed;
    ++failures;
  }
  EXPECT_GT(failures, 3);
}

}  // namespace
}  // namespace semblance
