#include "memory/mode.h"

#include <array>

namespace semblance {
namespace {

struct Words {
  Message title;
  Message message;
};
constexpr std::array<Words, 4> kWords = {{
    {Message::kNameNormal, Message::kModeNormal},
    {Message::kNameReduced, Message::kModeReduced},
    {Message::kNameUltraConservative, Message::kModeUltraConservative},
    {Message::kNameInsufficient, Message::kModeInsufficient},
}};

}  // namespace

Mode mode_for(std::uint64_t bytes, std::uint64_t minimum_bytes) {
  if (bytes < minimum_bytes) return Mode::kInsufficient;
  if (bytes < kUltraConservativeBelowBytes) return Mode::kUltraConservative;
  return bytes < kReducedBelowBytes ? Mode::kReduced : Mode::kNormal;
}

std::string_view name_of(Mode mode) { return format_of(title_of(mode), Language::kEnglish); }
Message title_of(Mode mode) { return kWords.at(static_cast<std::size_t>(mode)).title; }
Message message_of(Mode mode) { return kWords.at(static_cast<std::size_t>(mode)).message; }

}  // namespace semblance
