// "Did you mean": the known word that a mistyped one is nearest to.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace semblance {

/// The first word of `known` with the fewest edits (a letter added, dropped or replaced) from
/// `word`; empty where even that one differs in more than a third of its letters (at least 2).
std::string_view closest(std::string_view word, std::span<const std::string_view> known);

/// ", did you mean X?" or nothing: the end of a message.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

}  // namespace semblance
