#include "app/shell_text.h"

#include <fmt/format.h>

namespace semblance {
namespace {

/// The bytes of the character that `text`, which is UTF-8, begins with, if a terminal would act on
/// it instead of showing it; otherwise 0.
std::size_t hidden_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(0), second = byte(1), third = byte(2);
  if (first < 0x20 || first == 0x7f) return first == '\n' || first == '\t' ? 0 : 1;
  if (first == 0xc2 && second >= 0x80 && second < 0xa0) return 2;
  if (first == 0xd8 && second == 0x9c) return 2;
  const bool marks = first == 0xe2 && second == 0x80 && (third == 0x8e || third == 0x8f);
  const bool embeds = first == 0xe2 && second == 0x80 && third >= 0xaa && third <= 0xae;
  const bool isolates = first == 0xe2 && second == 0x81 && third >= 0xa6 && third <= 0xa9;
  return marks || embeds || isolates ? 3 : 0;
}

std::string escaped(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
  return text;
}

/// The text with hidden characters escaped; `put` adds any other one.
template <typename F>
std::string with_escapes(std::string_view text, F&& put) {
  std::string result;
  while (!text.empty()) {
    const std::size_t hidden = hidden_bytes(text);
    if (hidden > 0)
      result += escaped(text.substr(0, hidden));
    else
      put(result, text.front());
    text.remove_prefix(hidden > 0 ? hidden : 1);
  }
  return result;
}

}  // namespace

std::string shown_text(std::string_view text) {
  return with_escapes(text, [](std::string& result, char c) { result += c; });
}

std::string shell_quoted(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:+@";
  if (!word.empty() && word.find_first_not_of(kPlain) == word.npos) return std::string(word);
  if (shown_text(word) != word) {
    return "$'" +
           with_escapes(word,
                        [](std::string& result, char c) {
                          if (c == '\'' || c == '\\') result += '\\';
                          result += c;
                        }) +
           '\'';
  }
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + '\'';
}

std::string shell_command(std::span<const std::string> words, std::size_t columns) {
  std::string command;
  std::size_t line = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string word = shell_quoted(words[i]);
    // A flag stays with its value.
    const bool has_value = words[i].starts_with('-') && i + 1 < words.size();
    const std::size_t next = has_value ? 1 + shell_quoted(words[i + 1]).size() : 0;
    const bool breaks = columns > 0 && i > 0 && words[i].starts_with('-') &&
                        line + 1 + word.size() + next > columns;
    if (breaks) {
      command += " \\\n  ";
      line = 2;
    } else if (i > 0) {
      command += ' ';
      ++line;
    }
    line += word.size();
    command += word;
  }
  return command;
}

}  // namespace semblance
