// Unicode text as in the `tokenizers` package: UTF-8, NFC, white space, lower case, and the
// character classes of its regular expressions. Thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace semblance {

/// The code points of UTF-8 text. `what` names the text in messages. Throws Error(kArgument), which
/// names the first invalid byte; overlong forms, surrogates and code points above U+10FFFF are
/// invalid.
std::u32string decode_utf8(std::string_view text, std::string_view what);
/// The same for bytes that may be invalid: each invalid byte becomes U+FFFD.
std::u32string decode_utf8_lossy(std::string_view bytes);
std::string encode_utf8(std::u32string_view text);
void append_utf8(char32_t c, std::string& text);

bool is_letter(char32_t c);  // \p{L}
bool is_number(char32_t c);  // \p{N}
bool is_space(char32_t c);   // \s

/// Canonical composition, in linear time except for sorting the marks of one letter. Characters
/// newer than the tables of `tokenizers` are unchanged.
std::u32string compose_nfc(std::u32string_view text);
/// Lower case, character by character (no final sigma); only U+0130 becomes two characters.
std::u32string lower_case(std::u32string_view text);
/// Each run of white space becomes one space.
std::u32string collapse_spaces(std::u32string_view text);

}  // namespace semblance
