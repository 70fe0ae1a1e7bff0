// ASCII letters and white space, independent of the locale: for protocols and file formats.
#pragma once

#include <string>
#include <string_view>

namespace semblance {

/// Converts A to Z to lower case; other bytes are unchanged.
std::string lower(std::string_view text);

/// Strips the characters of `white` from both ends.
std::string_view trimmed(std::string_view text, std::string_view white = " \t");

}  // namespace semblance
