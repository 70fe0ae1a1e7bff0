// UTF-8 of a picture's text into code points. (The room of words, text/, knows far more; this room
// does not depend on it.)
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace semblance {

/// The text's code points; nothing when it is not well-formed UTF-8 (over-long, surrogates, cut).
std::optional<std::vector<char32_t>> code_points(std::string_view utf8);

}  // namespace semblance
