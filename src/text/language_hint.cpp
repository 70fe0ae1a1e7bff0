#include "text/language_hint.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>
#include <string>

#include "text/unicode.h"

namespace semblance {
namespace {

// Words that stand in nearly every sentence, and in no other list that counts against them: "die"
// and "no" are English, too.
constexpr auto kOthers = std::to_array<std::string_view>(
    {// Spanish
     "el", "los", "las", "una", "unos", "unas", "con", "del", "por", "para", "sobre", "que", "y",
     "muy", "su", "al", "en", "un", "de", "la",
     // German
     "der", "das", "den", "dem", "des", "ein", "eine", "einen", "einem", "einer", "und", "mit",
     "auf", "vor", "im", "ist", "von", "zu", "bei",
     // French
     "le", "les", "une", "avec", "dans", "et", "du", "au", "aux", "sur", "pour", "est", "qui",
     // Portuguese
     "um", "uma", "com", "na", "nas", "dos", "das", "da", "em", "ao", "muito",
     // Italian
     "il", "lo", "gli", "uno", "di", "nel", "nella", "della", "dei", "delle", "che", "per", "sulla",
     "e", "sul"});
constexpr auto kEnglish = std::to_array<std::string_view>(
    {"the", "a",    "an",  "of",  "in",  "with", "and",   "on",    "at",   "is",   "to",
     "by",  "from", "his", "her", "for", "as",   "photo", "style", "very", "face", "portrait"});

bool is_ascii(char32_t c) { return c < 0x80; }

}  // namespace

bool looks_not_english(std::string_view prompt) {
  const std::u32string text = lower_case(decode_utf8_lossy(prompt));
  std::size_t letters = 0;
  std::size_t foreign_letters = 0;
  std::size_t words = 0;
  std::size_t foreign = 0;
  std::size_t english = 0;
  std::set<std::string> distinct;
  for (std::size_t at = 0; at < text.size();) {
    if (!is_letter(text[at])) {
      ++at;
      continue;
    }
    std::u32string word;
    for (; at < text.size() && is_letter(text[at]); ++at) word += text[at];
    ++words;
    letters += word.size();
    foreign_letters +=
        word.size() - static_cast<std::size_t>(std::ranges::count_if(word, is_ascii));
    const std::string plain = encode_utf8(word);
    english += std::ranges::find(kEnglish, plain) != kEnglish.end();
    if (std::ranges::find(kOthers, plain) == kOthers.end()) continue;
    ++foreign;
    distinct.insert(plain);
  }
  if (2 * foreign_letters > letters) return true;
  return distinct.size() >= 2 && foreign > english && 5 * foreign >= words;
}

}  // namespace semblance
