#include "device/cards.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/ascii.h"
#include "core/error.h"
#include "core/json.h"
#include "device/child_process.h"
#include "device/read_vulkan_facts.h"

namespace semblance {
namespace {

using Writer = std::function<void(const std::string& line)>;

std::string line_of(const nlohmann::ordered_json& json) {
  using Handler = nlohmann::ordered_json::error_handler_t;
  return json.dump(-1, ' ', false, Handler::replace);
}

/// Runs in the child. Writes a line before and after each card, so that the parent knows during
/// which one a driver crashed.
void tell_cards(const VulkanHook& hook, std::size_t first, const Writer& write) {
  try {
    const VulkanInstance instance(hook);
    const std::vector<VkPhysicalDevice> cards = instance.cards();
    write(line_of({{"count", cards.size()}}));
    for (std::size_t i = first; i < cards.size(); ++i) {
      auto basic = VkPhysicalDeviceProperties2{};
      basic.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
      instance.api().GetPhysicalDeviceProperties2(cards[i], &basic);
      write(line_of({{"asked", basic.properties.deviceName}}));
      const VulkanFacts facts = read_vulkan_facts(instance, cards[i]);
      const CardMemory memory = read_card_memory(instance.api(), cards[i], facts.has_memory_budget);
      write(line_of({{"facts", to_json(facts)}, {"free_bytes", memory.free_bytes}}));
    }
  } catch (const std::exception& error) {
    write(line_of({{"error", error.what()}}));
  }
}

/// What the child of one attempt said.
struct Told {
  bool has_count = false;
  std::size_t count = 0;
  std::vector<Card> cards;
  std::string asked;  // the card whose facts did not come
  std::string error;
};

Told read_told(const std::string& text) {
  Told told;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // the child died in the middle of a line
    const Json line = Json::parse("the driver's facts", text.substr(begin, end - begin));
    begin = end + 1;
    if (line.has("count")) {
      told.has_count = true;
      told.count = static_cast<std::size_t>(line.get_int("count", {}, {0, 1000}));
    } else if (line.has("asked")) {
      told.asked = line.get_string("asked");
    } else if (line.has("facts")) {
      Card card;
      card.facts = facts_from_json(line.child("facts"));
      card.free_bytes = static_cast<std::uint64_t>(
          line.get_int("free_bytes", {}, {0, std::numeric_limits<std::int64_t>::max()}));
      card.why_not = why_unusable(card.facts);
      told.cards.push_back(std::move(card));
      told.asked.clear();
    } else {
      told.error = line.get_string("error");
    }
  }
  return told;
}

std::string how_it_failed(const ChildEnd& end, const Told& told) {
  if (!told.error.empty()) return told.error;
  if (end.timed_out) return "its driver did not answer in time";
  if (end.signal != 0)
    return fmt::format("its driver crashed (signal {}, {})", end.signal, strsignal(end.signal));
  return fmt::format("its driver ended the process (exit code {})", end.exit_code);
}

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  return lower(text).find(lower(part)) != std::string::npos;
}

const Card* find_named(const Cards& cards, std::string_view name) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc() && end == name.data() + name.size())
    return number < cards.cards.size() ? &cards.cards[number] : nullptr;
  for (const Card& card : cards.cards) {
    if (contains_ignoring_case(card.facts.name, name) ||
        contains_ignoring_case(card.facts.driver, name))
      return &card;
  }
  return nullptr;
}

}  // namespace

namespace {

/// Asks for the cards from `found.cards.size()` on. Returns how many there are.
std::size_t ask_drivers(const CardQuestion& question, Cards& found) {
  const std::size_t first = found.cards.size();
  const ChildEnd end = run_child(
      [&](const Writer& write) { tell_cards(question.hook, first, write); }, question.patience);
  Told told = read_told(end.output);
  std::move(told.cards.begin(), told.cards.end(), std::back_inserter(found.cards));
  if (!told.has_count || told.count == 0) {
    // Without a list this time, the earlier answers stay.
    if (found.cards.empty())
      found.why_none = told.has_count ? "no driver has a graphics card" : how_it_failed(end, told);
    return found.cards.size();
  }
  if (found.cards.size() < told.count) {
    Card failed;
    failed.facts.name = told.asked.empty() ? "a card" : told.asked;
    failed.why_not = how_it_failed(end, told);
    found.cards.push_back(std::move(failed));
  }
  return told.count;
}

}  // namespace

Cards find_cards(const CardQuestion& question) {
  Cards found;
  try {
    // One more attempt after each card whose driver fails.
    for (std::size_t count = 1; found.cards.size() < count;) count = ask_drivers(question, found);
  } catch (const Error& error) {
    if (found.cards.empty()) found.why_none = error.what();
  }
  return found;
}

const Card* find_best(const Cards& cards) {
  const auto usable = [&](auto wanted) {
    const auto found = std::find_if(cards.cards.begin(), cards.cards.end(), [&](const Card& card) {
      return card.is_usable() && wanted(card.facts.type);
    });
    return found == cards.cards.end() ? nullptr : &*found;
  };
  const Card* const discrete = usable([](CardType type) { return type == CardType::kDiscrete; });
  if (discrete != nullptr) return discrete;
  return usable([](CardType type) { return type != CardType::kSoftware; });
}

std::optional<GpuMemory> gpu_memory(const Cards& cards) {
  const Card* const card = find_best(cards);
  if (card == nullptr) return std::nullopt;
  return GpuMemory{card->facts.name,
                   fmt::format("{} {}", card->facts.driver, card->facts.driver_version),
                   card->facts.memory_bytes, std::min(card->free_bytes, card->facts.memory_bytes)};
}

bool names_card(std::string_view device) { return device == "gpu" || device.starts_with("gpu:"); }

const Card& choose_card(const Cards& cards, std::string_view device) {
  constexpr std::string_view kPrefix = "gpu:";
  if (!names_card(device) || device == kPrefix) {
    fail(ErrorKind::kArgument,
         "unknown device \"{}\": expected cpu, gpu, gpu:N (a number of `semblance gpu`) or "
         "gpu:NAME",
         device);
  }
  if (cards.cards.empty()) {
    const bool has_advice = cards.why_none.find('\n') != std::string::npos;
    fail(ErrorKind::kDevice, "cannot use --device {}: {}{}", device, cards.why_none,
         has_advice ? "" : "\n  use --device cpu");
  }
  const Card* const card =
      device == "gpu" ? find_best(cards) : find_named(cards, device.substr(kPrefix.size()));
  if (card == nullptr) {
    fail(ErrorKind::kDevice,
         "cannot use --device {}: there is no {}card of that kind\n{}  choose one of these, or use "
         "--device cpu",
         device, device == "gpu" ? "usable " : "", list_of(cards));
  }
  if (!card->is_usable()) {
    fail(ErrorKind::kDevice, "cannot use --device {}: {}: {}\n  or use --device cpu", device,
         card->facts.name, card->why_not);
  }
  return *card;
}

std::string list_of(const Cards& cards) {
  std::string text;
  for (std::size_t i = 0; i < cards.cards.size(); ++i) {
    const Card& card = cards.cards[i];
    const std::string_view state = !card.is_usable()    ? std::string_view(card.why_not)
                                   : card.is_software() ? "a software driver, only by name"
                                                        : "usable";
    text += fmt::format("  {}: {} ({} {}): {}\n", i, card.facts.name, card.facts.driver,
                        card.facts.driver_version, state);
  }
  return text;
}

}  // namespace semblance
