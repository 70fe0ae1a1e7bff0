// Facts of real drivers, asked in a child process.
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/json.h"
#include "device/card_test.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

using namespace std::chrono_literals;

class CardsOfDrivers : public testing::CardTest {};

TEST_F(CardsOfDrivers, TheSoftwareDriverIsFoundAndOnlyChosenByName) {
  const Cards cards = find_cards();
  ASSERT_EQ(cards.cards.size(), 1U) << cards.why_none;
  const Card& card = cards.cards[0];
  EXPECT_EQ(card.facts.driver, "lavapipe");
  EXPECT_TRUE(card.is_software());
  EXPECT_TRUE(card.is_usable()) << card.why_not;
  EXPECT_TRUE(card.facts.has_f16 && card.facts.has_16_bit_storage);
  EXPECT_TRUE(card.facts.has_subgroup_arithmetic);
  EXPECT_FALSE(card.facts.subgroup_sizes.empty());
  EXPECT_FALSE(card.facts.matrices.empty());
  EXPECT_GT(card.facts.memory_bytes, std::uint64_t{1} << 28);
  EXPECT_GT(card.free_bytes, 0U);
  EXPECT_EQ(&choose_card(cards, "gpu:lavapipe"), &card);
  EXPECT_EQ(&choose_card(cards, "gpu:0"), &card);
  testing::expect_error(ErrorKind::kDevice, "a software driver, only by name",
                        [&] { choose_card(cards, "gpu"); });
}

TEST_F(CardsOfDrivers, FactsSurviveAsJson) {
  const VulkanFacts& facts = testing::card_facts();
  EXPECT_EQ(facts_from_json(Json::parse("facts", to_json(facts).dump())), facts);
}

TEST_F(CardsOfDrivers, ADriverThatCrashesWhenAskedIsNamed) {
  const Cards cards = find_cards({.hook = [](VulkanApi& api) {
    api.GetPhysicalDeviceFeatures2 = [](auto...) { raise(SIGSEGV); };
  }});
  ASSERT_EQ(cards.cards.size(), 1U);
  EXPECT_NE(cards.cards[0].facts.name.find("llvmpipe"), std::string::npos);
  EXPECT_FALSE(cards.cards[0].is_usable());
  EXPECT_NE(cards.cards[0].why_not.find("crashed (signal 11"), std::string::npos)
      << cards.cards[0].why_not;
  testing::expect_error(ErrorKind::kDevice, "crashed (signal 11",
                        [&] { choose_card(cards, "gpu:0"); });
}

TEST_F(CardsOfDrivers, ADriverThatCrashesAtTheStartIsAReason) {
  const Cards cards = find_cards({.hook = [](VulkanApi& api) {
    api.CreateInstance = [](auto...) -> VkResult { std::abort(); };
  }});
  EXPECT_TRUE(cards.cards.empty());
  EXPECT_NE(cards.why_none.find("crashed (signal 6"), std::string::npos) << cards.why_none;
}

TEST_F(CardsOfDrivers, ADriverThatHangsIsGivenUp) {
  const Cards cards = find_cards({.hook =
                                      [](VulkanApi& api) {
                                        api.EnumeratePhysicalDevices = [](auto...) -> VkResult {
                                          for (;;) std::this_thread::sleep_for(1s);
                                        };
                                      },
                                  .patience = 300ms});
  EXPECT_TRUE(cards.cards.empty());
  EXPECT_NE(cards.why_none.find("did not answer in time"), std::string::npos) << cards.why_none;
}

TEST_F(CardsOfDrivers, ADriverThatRefusesIsAReason) {
  const Cards cards = find_cards({.hook = [](VulkanApi& api) {
    api.CreateInstance = [](auto...) -> VkResult { return VK_ERROR_INCOMPATIBLE_DRIVER; };
  }});
  EXPECT_NE(cards.why_none.find("no driver for a graphics card was found"), std::string::npos)
      << cards.why_none;
}

}  // namespace
}  // namespace semblance
