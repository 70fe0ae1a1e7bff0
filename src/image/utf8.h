// The UTF-8 of a picture's text. (The room text/ can do far more, but this room does not
// depend on it.)
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace semblance {

/// The text's code points; nothing if it is not well-formed UTF-8 (over-long, surrogates,
/// truncated).
std::optional<std::vector<char32_t>> code_points(std::string_view utf8);

/// `point` is at most U+10FFFF.
void append_utf8(std::string& text, char32_t point);
/// Each byte is a character.
std::string utf8_of_latin1(std::string_view bytes);

}  // namespace semblance
