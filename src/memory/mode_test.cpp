#include "memory/mode.h"

#include <gtest/gtest.h>

#include "memory/mib_test.h"

namespace semblance {
namespace {

TEST(Mode, DependsOnTheAvailableMemory) {
  EXPECT_EQ(mode_for(20 * 1024 * kMib, 0), Mode::kNormal);
  EXPECT_EQ(mode_for(3072 * kMib, 0), Mode::kNormal);
  EXPECT_EQ(mode_for(3072 * kMib - 1, 0), Mode::kReduced);
  EXPECT_EQ(mode_for(2048 * kMib, 0), Mode::kReduced);
  EXPECT_EQ(mode_for(2048 * kMib - 1, 0), Mode::kUltraConservative);
  EXPECT_EQ(mode_for(200 * kMib, 200 * kMib), Mode::kUltraConservative);
  EXPECT_EQ(mode_for(200 * kMib - 1, 200 * kMib), Mode::kInsufficient);
  EXPECT_EQ(mode_for(4096 * kMib, 5000 * kMib), Mode::kInsufficient);
}

TEST(Mode, HasANameAndASentence) {
  EXPECT_EQ(name_of(Mode::kNormal), "normal");
  EXPECT_EQ(name_of(Mode::kReduced), "reduced");
  EXPECT_EQ(name_of(Mode::kUltraConservative), "ultra-conservative");
  EXPECT_EQ(name_of(Mode::kInsufficient), "insufficient");
  EXPECT_EQ(text_of(message_of(Mode::kReduced)), "Using the reduced memory configuration");
  EXPECT_EQ(text_of(title_of(Mode::kInsufficient)), "insufficient");
}

}  // namespace
}  // namespace semblance
