// semblance gpu: lists the graphics cards.
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/flags.h"
#include "core/messages.h"
#include "device/cards.h"
#include "memory/budget.h"

namespace semblance::cli {
namespace {

std::string number_types(const VulkanFacts& facts) {
  return facts.has_16_bit_storage ? "f16, f32" : "f32";
}

std::string json_of(const Cards& cards) {
  nlohmann::ordered_json json;
  json["cards"] = nlohmann::ordered_json::array();
  const Card* const best = find_best(cards);
  for (const Card& card : cards.cards) {
    nlohmann::ordered_json entry;
    entry["usable"] = card.is_usable();
    entry["default"] = &card == best;
    entry["why_not"] = nullptr;
    if (!card.is_usable()) entry["why_not"] = card.why_not;
    entry["free_bytes"] = card.free_bytes;
    entry["facts"] = to_json(card.facts);
    json["cards"].push_back(std::move(entry));
  }
  json["why_none"] = nullptr;
  if (cards.cards.empty()) json["why_none"] = cards.why_none;
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string state_of(const Card& card) {
  if (!card.is_usable()) return text_of(Message::kCardUnusable, card.why_not);
  const std::string types = number_types(card.facts);
  if (card.is_software()) return text_of(Message::kCardByName, types, card.facts.driver);
  return text_of(Message::kCardUsable, types);
}

std::string report_of(const Cards& cards) {
  if (cards.cards.empty()) return text_of(Message::kNoCard, cards.why_none);
  std::string text;
  for (std::size_t i = 0; i < cards.cards.size(); ++i) {
    const Card& card = cards.cards[i];
    const VulkanFacts& facts = card.facts;
    text += text_of(Message::kCard, i, facts.name, name_of(facts.type)) + '\n';
    if (!facts.driver.empty()) {
      text +=
          "  " +
          text_of(Message::kCardDriver, fmt::format("{} {}", facts.driver, facts.driver_version),
                  fmt::format("{}.{}", facts.api_major, facts.api_minor)) +
          '\n';
      text += "  " +
              text_of(Message::kCardMemory, bytes_text(facts.memory_bytes),
                      bytes_text(card.free_bytes)) +
              '\n';
    }
    text += "  " + state_of(card) + '\n';
  }
  return text;
}

}  // namespace

int gpu(std::span<const char* const> words) {
  if (!words.empty() && std::string_view(words[0]) == "check") return gpu_check(words.subspan(1));
  bool json = false;
  Language language = language_of_environment();
  Flags flags("gpu [check] [--json] [--lang en|es]",
              "Lists the graphics cards of this machine with their drivers and memory, says which "
              "of them can compute pictures, and why others cannot.");
  flags.toggle("--json",
               "Prints {\"cards\": [{\"usable\", \"default\", \"why_not\", \"free_bytes\", "
               "\"facts\"}], \"why_none\"}; facts is everything that the driver said.",
               json);
  flags.value("--lang", "en|es",
              "Language: English or Spanish. Default: from LC_ALL, LC_MESSAGES or LANG.",
              [&](const std::string& flag, const std::string& text) {
                language = parse_language(text, flag);
              });
  flags.epilogue(
      "Cards are used through Vulkan: the loader (Debian's libvulkan1) and the card's driver must\n"
      "be installed. The drivers are asked in a process of their own, so one that crashes is only\n"
      "reported. The number before a card chooses it: --device gpu:1.\n"
      "\n"
      "Examples\n"
      "  semblance gpu\n"
      "  semblance gpu --json\n"
      "  semblance gpu check            compares a card with the processor: gpu check --help\n"
      "\n" +
      exit_codes_text());
  if (!flags.read(words)) {
    print(flags.help());
    return 0;
  }
  set_language(language);
  const Cards cards = find_cards();
  print(json ? json_of(cards) : report_of(cards));
  return 0;
}

}  // namespace semblance::cli
