// What stands in a file in place of what was wanted: a web page about it, a pointer to it. Told by
// its first bytes, so that a message can say what it is and what to do.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace semblance {

/// So many first bytes are enough.
inline constexpr std::size_t kContentBytes = 512;

struct OtherContent {
  std::string_view what;     // "a web page"
  std::string_view way_out;  // "download the file itself, not the page about it"
};

/// What is handed in for any kind of file: a web page, a Git LFS pointer, the AppleDouble file that
/// macOS puts beside another. Nothing for all else.
std::optional<OtherContent> other_content(std::string_view start);

/// The text without a byte order mark and white space in front, as far as its first visible byte.
std::string_view from_first_visible(std::string_view text);

/// Throws Error(kCorrupt), "cannot read NAME: expected WANTED, got a web page", and the way out,
/// for such content.
void refuse_other_content(std::string_view name, std::string_view wanted, std::string_view start);

}  // namespace semblance
