// Unicode text as the `tokenizers` package sees it: UTF-8 in and out, NFC, white space, lower case,
// and the classes that its regular expressions ask for. Thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace semblance {

/// Code points of UTF-8 text. `what` names the text in the message. Throws Error(kArgument), naming
/// the first byte that is no UTF-8: overlong forms, surrogates and what is beyond U+10FFFF are
/// none.
std::u32string decode_utf8(std::string_view text, std::string_view what);
/// The same for bytes that may be broken: each wrong byte becomes U+FFFD.
std::u32string decode_utf8_lossy(std::string_view bytes);
std::string encode_utf8(std::u32string_view text);
void append_utf8(char32_t c, std::string& text);

bool is_letter(char32_t c);  // \p{L}
bool is_number(char32_t c);  // \p{N}
bool is_space(char32_t c);   // \s

/// Canonical composition, in time linear in the text but for sorting the marks of one letter.
/// Characters younger than the tables of `tokenizers` stay as they are.
std::u32string compose_nfc(std::u32string_view text);
/// Lower case of each character by itself (no final sigma); only U+0130 becomes two.
std::u32string lower_case(std::u32string_view text);
/// Each run of white space becomes one space.
std::u32string collapse_spaces(std::u32string_view text);

}  // namespace semblance
