// The names of styles (text/styles.h), as a parameter's values. A user may have styles of their
// own, so that any name is a value until the prompts are drawn (app/picture_prompts.h).
#pragma once

#include "pipeline/parameter.h"

namespace semblance::choices {

/// The built-in ones.
std::vector<ChoiceName> all_styles();
std::optional<std::string> find_style_name(std::string_view text);
std::string other_styles();

inline constexpr ChoiceList kStyles{
    .all = all_styles, .find = find_style_name, .others = other_styles};

}  // namespace semblance::choices
