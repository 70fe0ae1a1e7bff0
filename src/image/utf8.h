// Decodes the UTF-8 of a picture's text. (The room text/ can do far more, but this room does not
// depend on it.)
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace semblance {

/// The text's code points; nothing if it is not well-formed UTF-8 (over-long, surrogates,
/// truncated).
std::optional<std::vector<char32_t>> code_points(std::string_view utf8);

}  // namespace semblance
