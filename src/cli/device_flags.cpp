#include "cli/device_flags.h"

#include "core/error.h"
#include "device/cards.h"

namespace semblance::cli {
namespace {

std::string parse_device(const std::string& text, const std::string& flag) {
  if (text == "auto" || text == "cpu" || (names_card(text) && text != "gpu:")) return text;
  fail(ErrorKind::kArgument,
       "cannot take {}: expected auto, cpu, gpu, gpu:N or gpu:NAME, got '{}'\n  `semblance gpu` "
       "lists the graphics cards",
       flag, text.substr(0, 40));
}

}  // namespace

void DeviceFlags::declare(Flags& flags) {
  flags.group("Device (docs/gpu.md)");
  flags.value("--device", "cpu|gpu|auto",
              "Where models are computed: cpu; gpu, the best graphics card; gpu:1 or gpu:NAME, "
              "another one of those that `semblance gpu` lists; auto, a discrete card if there is "
              "one, else cpu. Pictures of cpu and gpu look the same but differ in their last bits. "
              "Default: cpu.",
              [this](const std::string& flag, const std::string& text) {
                device = parse_device(text, flag);
              });
  flags.value(
      "--gpu-memory", "AMOUNT",
      "Memory budget on the graphics card, in the same form as --memory; a share is of what "
      "is free on the card. Default: auto (80%).",
      [this](const std::string& flag, const std::string& text) {
        card_memory = parse_memory(text, flag);
      });
}

void DeviceFlags::find(const Flags& flags) {
  if (is_processor() && flags.gives("--gpu-memory")) {
    fail(ErrorKind::kArgument,
         "--gpu-memory cannot be used with --device cpu\n  add --device gpu, or leave it out");
  }
  if (device != "auto") return;
  const Cards cards = find_cards();
  const Card* const card = find_best(cards);
  const bool is_discrete = card != nullptr && card->facts.type == CardType::kDiscrete;
  device = is_discrete ? "gpu" : "cpu";
}

}  // namespace semblance::cli
