// "Did you mean": the known word nearest to a mistyped one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace semblance {

/// The first word of `known` with the fewest edits (a letter added, dropped or replaced) from
/// `word`. Empty if that takes more than a third as many edits as the known word has letters (2 are
/// always allowed).
std::string_view closest(std::string_view word, std::span<const std::string_view> known);

/// ", did you mean X?", to end a message with; empty if nothing is close.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

}  // namespace semblance
