#include "pipeline/style_choice.h"

#include "text/styles.h"

namespace semblance::choices {
namespace {

const Styles& built_in() {
  static const Styles styles;
  return styles;
}

}  // namespace

std::vector<ChoiceName> all_styles() {
  std::vector<ChoiceName> all;
  for (const std::string_view name : built_in().names()) {
    if (name != kNoStyle) all.push_back({name, name});
  }
  return all;
}

std::optional<std::string> find_style_name(std::string_view text) {
  constexpr std::size_t kMostBytes = 200;
  if (text.empty() || text.size() > kMostBytes) return std::nullopt;
  for (const std::string_view name : built_in().names()) {
    if (lower(name) == lower(text)) return std::string(name);
  }
  return std::string(text);
}

std::string other_styles() { return "or one of the user's own styles"; }

}  // namespace semblance::choices
