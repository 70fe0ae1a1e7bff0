// Letters and white space of ASCII, whatever the locale: what protocols and file formats compare
// by.
#pragma once

#include <string>
#include <string_view>

namespace semblance {

/// With A to Z in lower case; all other bytes as they are.
std::string lower(std::string_view text);

/// Without the characters of `white` at both ends.
std::string_view trimmed(std::string_view text, std::string_view white = " \t");

}  // namespace semblance
