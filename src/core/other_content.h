// Recognises, by its first bytes, a file that was saved in place of the wanted one (a web page
// about it, a pointer to it), so that a message can say what it is and what to do.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace semblance {

/// How many first bytes are enough.
inline constexpr std::size_t kContentBytes = 512;

struct OtherContent {
  std::string_view what;  // "a web page"
  std::string_view fix;   // "download the file itself, not the page about it"
};

/// Recognises a web page, a Git LFS pointer and the AppleDouble file that macOS puts beside
/// another. Nothing for any other content.
std::optional<OtherContent> other_content(std::string_view start);

/// The text from its first visible byte, without a byte order mark and leading white space.
std::string_view from_first_visible(std::string_view text);

/// Throws Error(kCorrupt) for such content: "cannot read NAME: expected WANTED, got a web page",
/// and what to do.
void refuse_other_content(std::string_view name, std::string_view wanted, std::string_view start);

}  // namespace semblance
