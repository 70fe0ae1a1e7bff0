// Reads the "parameters" text in pictures: AUTOMATIC1111's format, which Semblance
// (app/parameters.h) and many other programs write, too.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace semblance {

/// Names and values, in the order of the text.
using InfoFields = std::vector<std::pair<std::string, std::string>>;

struct Infotext {
  std::string prompt;
  std::optional<std::string> negative = {};
  InfoFields fields = {};

  /// The last value of this name; nullptr if there is none.
  const std::string* find(std::string_view name) const;
};

/// "Steps: 30, Model: \"a, b\"": a value ends at a comma, or is a JSON string. As in that program,
/// what is neither is skipped.
InfoFields parse_info_fields(std::string_view line);

/// Prompts are verbatim. Nothing if the last line has no "Steps".
std::optional<Infotext> parse_infotext(std::string_view text);

}  // namespace semblance
