// Whether a prompt looks like another language than English. SDXL was trained on English captions,
// so such a prompt is followed less well. A guess for a hint, never a reason to refuse.
#pragma once

#include <string_view>

namespace semblance {

/// True where most letters are not ASCII, or where very common words of Spanish, German, French,
/// Portuguese or Italian (two at least, a fifth of all words) outnumber English ones. Any bytes may
/// come.
bool looks_not_english(std::string_view prompt);

}  // namespace semblance
