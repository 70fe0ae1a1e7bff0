// UTF-8 text cut for a message or a list, never within a character.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace semblance {

/// The longest beginning of `text` of at most `most_bytes` that ends between two characters. Text
/// that is not UTF-8 is cut anywhere.
std::string_view whole_characters(std::string_view text, std::size_t most_bytes);

/// `text` if it has at most `most_bytes`; else its beginning and `more`, which have at most that
/// together. `most_bytes` is at least the size of `more`.
std::string short_text(std::string_view text, std::size_t most_bytes,
                       std::string_view more = "...");

}  // namespace semblance
