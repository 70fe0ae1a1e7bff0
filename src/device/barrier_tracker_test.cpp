#include "device/barrier_tracker.h"

#include <gtest/gtest.h>

namespace semblance {
namespace {

/// Uses as text: "r0 w2" reads place 0 and writes place 2; places are 64 bytes long.
bool add(BarrierTracker& tracker, std::string_view text) {
  std::vector<BarrierTracker::Use> uses;
  for (std::size_t i = 0; i + 1 < text.size(); i += 3) {
    uses.push_back(
        {{Region::kArena, static_cast<std::uint64_t>(text[i + 1] - '0') * 64, 64}, text[i] == 'w'});
  }
  return tracker.add(uses);
}

TEST(BarrierTracker, SeesEveryHazardAndNoOther) {
  BarrierTracker tracker;
  EXPECT_FALSE(add(tracker, "r0 w1"));
  EXPECT_FALSE(add(tracker, "r0 w2")) << "reads the same";
  EXPECT_TRUE(add(tracker, "r1 w3")) << "read after write";
  EXPECT_FALSE(add(tracker, "r2 w0")) << "the barrier covered what came before it";
  EXPECT_TRUE(add(tracker, "r4 w2")) << "write after read";
  EXPECT_TRUE(add(tracker, "w2")) << "write after write";
  EXPECT_FALSE(add(tracker, "r5 w5")) << "a command with itself";
}

TEST(BarrierTracker, ComparesRanges) {
  BarrierTracker tracker;
  const auto add_range = [&](Region region, std::uint64_t offset, std::uint64_t bytes) {
    const BarrierTracker::Use use{{region, offset, bytes}, true};
    return tracker.add({&use, 1});
  };
  EXPECT_FALSE(add_range(Region::kArena, 100, 100));
  EXPECT_FALSE(add_range(Region::kArena, 200, 10));
  EXPECT_FALSE(add_range(Region::kArena, 90, 10));
  EXPECT_FALSE(add_range(Region::kResident, 100, 100));
  EXPECT_FALSE(add_range(Region::kArena, 150, 0)) << "no bytes";
  EXPECT_TRUE(add_range(Region::kArena, 199, 1));
}

TEST(BarrierTracker, ForgetsWhatIsDone) {
  BarrierTracker tracker;
  add(tracker, "w1");
  tracker.clear();
  EXPECT_FALSE(add(tracker, "r1"));
}

}  // namespace
}  // namespace semblance
