#include "device/cards.h"

#include <unistd.h>

#include <csignal>
#include <thread>

#include "device/child_process.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

using namespace std::chrono_literals;
using testing::expect_error;

Card card(std::string name, std::string driver, CardType type, std::string why_not = {}) {
  Card made;
  made.facts.name = std::move(name);
  made.facts.driver = std::move(driver);
  made.facts.type = type;
  made.why_not = std::move(why_not);
  return made;
}

const Cards& laptop() {
  static const Cards cards{{card("llvmpipe (LLVM 19)", "lavapipe", CardType::kSoftware),
                            card("Intel UHD 620", "Intel", CardType::kIntegrated),
                            card("GeForce GTX 680", "NVIDIA", CardType::kDiscrete, "too old"),
                            card("GeForce RTX 3060", "NVIDIA", CardType::kDiscrete)},
                           {}};
  return cards;
}

TEST(ChooseCard, TakesTheBestThatIsUsable) {
  EXPECT_EQ(choose_card(laptop(), "gpu").facts.name, "GeForce RTX 3060");
  Cards cards = laptop();
  cards.cards.pop_back();
  EXPECT_EQ(choose_card(cards, "gpu").facts.name, "Intel UHD 620");
}

TEST(ChooseCard, TakesANumberOrAPartOfAName) {
  EXPECT_EQ(choose_card(laptop(), "gpu:1").facts.name, "Intel UHD 620");
  EXPECT_EQ(choose_card(laptop(), "gpu:rtx 30").facts.name, "GeForce RTX 3060");
  EXPECT_EQ(choose_card(laptop(), "gpu:rtx").facts.name, "GeForce RTX 3060");
  EXPECT_EQ(choose_card(laptop(), "gpu:lavapipe").facts.name, "llvmpipe (LLVM 19)");
}

TEST(ChooseCard, SaysWhyNot) {
  expect_error(ErrorKind::kDevice, "GeForce GTX 680: too old",
               [] { choose_card(laptop(), "gpu:2"); });
  const std::string text = expect_error(ErrorKind::kDevice, "there is no card of that kind",
                                        [] { choose_card(laptop(), "gpu:7"); });
  EXPECT_NE(text.find("  1: Intel UHD 620 (Intel ): usable\n"), std::string::npos) << text;
  expect_error(ErrorKind::kDevice, "no driver at all", [] {
    choose_card({{}, "no driver at all"}, "gpu");
  });
  for (const char* wrong : {"cuda", "gpus", "gpu:", ""})
    expect_error(ErrorKind::kArgument, "expected cpu, gpu", [&] { choose_card(laptop(), wrong); });
}

TEST(WhyUnusable, NamesWhatIsMissing) {
  VulkanFacts facts;
  facts.api_major = 1;
  facts.api_minor = 2;
  facts.has_push_descriptors = facts.has_timeline_semaphores = true;
  facts.place_alignment = 64;
  EXPECT_EQ(why_unusable(facts), "");
  VulkanFacts old = facts;
  old.api_minor = 1;
  EXPECT_EQ(why_unusable(old),
            "its driver speaks Vulkan 1.1, and 1.2 is needed: update the driver");
  VulkanFacts coarse = facts;
  coarse.place_alignment = 256;
  EXPECT_NE(why_unusable(coarse).find("aligned to 256 bytes"), std::string::npos);
  facts.has_timeline_semaphores = false;
  EXPECT_NE(why_unusable(facts).find("timeline semaphores"), std::string::npos);
}

TEST(ChildProcess, ReturnsWhatTheChildWrote) {
  const ChildEnd end = run_child([](const auto& write) { write("one"), write("two"); }, 10s);
  EXPECT_EQ(end.output, "one\ntwo\n");
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(end.signal, 0);
  EXPECT_FALSE(end.timed_out);
}

TEST(ChildProcess, SurvivesACrash) {
  const ChildEnd end = run_child(
      [](const auto& write) {
        write("one");
        std::raise(SIGABRT);
      },
      10s);
  EXPECT_EQ(end.output, "one\n");
  EXPECT_EQ(end.signal, SIGABRT);
}

TEST(ChildProcess, KillsAChildThatHangs) {
  const ChildEnd end = run_child([](const auto&) { std::this_thread::sleep_for(1h); }, 100ms);
  EXPECT_TRUE(end.timed_out);
  EXPECT_EQ(end.signal, SIGKILL);
}

}  // namespace
}  // namespace semblance
