#include "text/prompt_syntax.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <optional>

#include "core/ascii.h"
#include "core/error.h"
#include "text/unicode.h"

namespace semblance {
namespace {

constexpr double kRound = 1.1;
constexpr double kSquare = 1 / 1.1;
constexpr std::string_view kWhite = " \t\n\r\f\v";

/// A piece of the text for a message.
std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 40;
  const std::u32string characters = decode_utf8_lossy(text.substr(0, 4 * kMost + 4));
  const std::string begin = encode_utf8(characters.substr(0, kMost));
  return characters.size() > kMost ? begin + "..." : begin;
}

/// A decimal number as Python's float() reads it, but for inf and nan.
std::optional<double> number_in(std::string_view text) {
  text = trimmed(text, kWhite);
  if (text.find_first_not_of("0123456789.-+eE") != text.npos) return {};
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

// ---- Words

bool is_word(char32_t c) { return is_letter(c) || is_number(c) || c == U'_'; }

/// Bytes of the last character.
std::size_t last_bytes(std::string_view text) {
  std::size_t count = 1;
  while (count < std::min<std::size_t>(text.size(), 4) &&
         (static_cast<unsigned char>(text[text.size() - count]) & 0xC0U) == 0x80U) {
    ++count;
  }
  return count;
}

/// The last character; 0 where there is none.
char32_t last_of(std::string_view text) {
  if (text.empty()) return U'\0';
  return decode_utf8_lossy(text.substr(text.size() - last_bytes(text))).back();
}

char32_t first_of(std::string_view text) {
  return text.empty() ? U'\0' : decode_utf8_lossy(text.substr(0, 4)).front();
}

std::string_view without_space_behind(std::string_view text) {
  while (!text.empty() && is_space(last_of(text))) text.remove_suffix(last_bytes(text));
  return text;
}

std::string_view without_space_before(std::string_view text) {
  while (!text.empty() && is_space(first_of(text)))
    text.remove_prefix(encode_utf8(std::u32string(1, first_of(text))).size());
  return text;
}

/// Where `word` stands by itself in `text`, from `begin` on.
std::size_t find_word(std::string_view text, std::string_view word, std::size_t begin) {
  for (std::size_t at = text.find(word, begin); at != text.npos; at = text.find(word, at + 1)) {
    if (!is_word(last_of(text.substr(0, at))) && !is_word(first_of(text.substr(at + word.size()))))
      return at;
  }
  return text.npos;
}

// ---- <lora:...>

double weight_in(std::string_view tag, std::string_view text) {
  const std::optional<double> weight = number_in(text);
  if (!weight || !(std::abs(*weight) <= kMostPromptWeight)) {
    fail(ErrorKind::kArgument,
         "cannot read {}: expected a weight from {} to {}, got '{}'\n  write <lora:NAME:0.8>",
         shown(tag), -kMostPromptWeight, kMostPromptWeight, shown(text));
  }
  return *weight;
}

/// `fields`: what stands between "<lora:" and ">".
LoraTag lora_in(std::string_view tag, std::string_view fields) {
  std::vector<std::string_view> placed;
  std::optional<double> text_weight;
  std::optional<double> weight;
  while (true) {
    const std::size_t end = std::min(fields.find(':'), fields.size());
    const std::string_view field = trimmed(fields.substr(0, end), kWhite);
    if (field.starts_with("te=")) {
      text_weight = weight_in(tag, field.substr(3));
    } else if (field.starts_with("unet=")) {
      weight = weight_in(tag, field.substr(5));
    } else if (field.find('=') == field.npos) {
      placed.push_back(field);  // other names are options of that web UI
    }
    if (end == fields.size()) break;
    fields.remove_prefix(end + 1);
  }
  if (placed.empty() || placed[0].empty()) {
    fail(ErrorKind::kArgument,
         "cannot read {}: expected the LoRA's name, got none\n  write <lora:NAME:0.8>", shown(tag));
  }
  LoraTag lora{.name = std::string(placed[0])};
  if (placed.size() > 1) lora.text_weight = weight_in(tag, placed[1]);
  if (text_weight) lora.text_weight = *text_weight;
  lora.weight = placed.size() > 2 ? weight_in(tag, placed[2]) : lora.text_weight;
  if (weight) lora.weight = *weight;
  return lora;
}

/// The prompt without its LoRAs, which are added to `loras`.
std::string without_loras(std::string_view prompt, std::vector<LoraTag>& loras) {
  std::string text;
  std::size_t begin = 0;
  while (begin < prompt.size()) {
    const std::size_t at = std::min(prompt.find('<', begin), prompt.size());
    text += prompt.substr(begin, at - begin);
    begin = at;
    if (at == prompt.size()) break;
    const std::string_view rest = prompt.substr(at);
    const bool is_lora = rest.starts_with("<lora:") || rest.starts_with("<lyco:");
    const std::size_t end = is_lora ? rest.find('>') : rest.npos;
    constexpr std::size_t kPrefix = 6;
    if (end == rest.npos || end == kPrefix) {
      text += '<';
      ++begin;
      continue;
    }
    loras.push_back(lora_in(rest.substr(0, end + 1), rest.substr(kPrefix, end - kPrefix)));
    begin += end + 1;
  }
  return text;
}

// ---- Weights

/// Reads the brackets, as the regular expression of both references cuts them.
class WeightParser {
 public:
  explicit WeightParser(std::string_view text) : rest_(text) {}

  std::vector<std::vector<PromptPiece>> parse() {
    while (!rest_.empty()) step();
    for (const std::size_t begin : round_) multiply(begin, kRound);
    for (const std::size_t begin : square_) multiply(begin, kSquare);
    return parts();
  }

 private:
  void step() {
    const char c = rest_.front();
    if (c == '\\') {
      const bool escapes = rest_.find_first_of("()[]\\", 1) == 1;
      add(rest_.substr(1, escapes ? 1 : 0));
      rest_.remove_prefix(escapes ? 2 : 1);
    } else if (c == '(') {
      round_.push_back(weights_.size());
      rest_.remove_prefix(1);
    } else if (c == '[') {
      square_.push_back(weights_.size());
      rest_.remove_prefix(1);
    } else if (c == ')' && !round_.empty()) {
      close(round_, kRound);
    } else if (c == ']' && !square_.empty()) {
      close(square_, kSquare);
    } else if (c != ':' || !closes_with_number()) {
      const std::size_t end = std::min(rest_.find_first_of("\\()[]:", 1), rest_.size());
      const bool is_single = c == ')' || c == ']' || c == ':';
      take_text(is_single ? 1 : end);
    }
  }

  void close(std::vector<std::size_t>& open, double factor) {
    multiply(open.back(), factor);
    open.pop_back();
    rest_.remove_prefix(1);
  }

  /// ":1.3)"
  bool closes_with_number() {
    if (round_.empty()) return false;
    const std::size_t end = rest_.find_first_not_of("0123456789.+- \t\n\r\f\v", 1);
    if (end == rest_.npos || rest_[end] != ')') return false;
    const std::optional<double> weight = number_in(rest_.substr(1, end - 1));
    if (!weight) return false;
    rest_.remove_prefix(end);
    close(round_, *weight);
    return true;
  }

  /// Text without brackets, in which BREAK may stand.
  void take_text(std::size_t count) {
    std::string_view text = rest_.substr(0, count);
    rest_.remove_prefix(count);
    constexpr std::string_view kBreak = "BREAK";
    for (std::size_t at = find_word(text, kBreak, 0); at != text.npos;
         at = find_word(text, kBreak, 0)) {
      add(without_space_behind(text.substr(0, at)));
      breaks_.push_back(weights_.size());
      text = without_space_before(text.substr(at + kBreak.size()));
    }
    add(text);
  }

  void add(std::string_view text) {
    texts_.push_back(text);
    weights_.push_back(1);
  }

  void multiply(std::size_t begin, double factor) {
    for (std::size_t i = begin; i < weights_.size(); ++i) weights_[i] *= factor;
  }

  std::vector<std::vector<PromptPiece>> parts() const {
    std::vector<std::vector<PromptPiece>> parts(1);
    std::size_t next_break = 0;
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      for (; next_break < breaks_.size() && breaks_[next_break] == i; ++next_break)
        parts.emplace_back();
      if (texts_[i].empty()) continue;
      check(i);
      std::vector<PromptPiece>& part = parts.back();
      if (part.empty() || part.back().weight != weights_[i]) part.push_back({{}, weights_[i]});
      part.back().text += texts_[i];
    }
    return parts;
  }

  void check(std::size_t i) const {
    if (std::abs(weights_[i]) <= kMostPromptWeight) return;
    fail(ErrorKind::kArgument,
         "cannot read the weight of '{}': expected a number from {} to {}, got {:g}\n  write "
         "\\( and \\[ for brackets that are no weights",
         shown(texts_[i]), -kMostPromptWeight, kMostPromptWeight, weights_[i]);
  }

  std::string_view rest_;
  std::vector<std::string_view> texts_;
  std::vector<double> weights_;
  std::vector<std::size_t> breaks_;  // the piece in front of which each stands
  std::vector<std::size_t> round_;   // the pieces with which open brackets begin
  std::vector<std::size_t> square_;
};

// ---- What changes from step to step

/// ":0.5" at the end of what stands in a square bracket.
bool ends_in_time(std::string_view inside) {
  const std::size_t colon = inside.rfind(':');
  if (colon == inside.npos) return false;
  const std::string_view time = trimmed(inside.substr(colon + 1), kWhite);
  return time.find_first_not_of("0123456789.+-") == time.npos && number_in(time).has_value();
}

/// The first "[a:b:0.5]" or "[a|b]".
std::string schedule_in(std::string_view text) {
  struct Open {
    std::size_t begin;
    bool has_bar;
  };
  std::vector<Open> open;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '[') {
      open.push_back({i, false});
    } else if (text[i] == '|' && !open.empty()) {
      open.back().has_bar = true;
    } else if (text[i] == ']' && !open.empty()) {
      const Open last = open.back();
      open.pop_back();
      const std::string_view whole = text.substr(last.begin, i + 1 - last.begin);
      if (last.has_bar || ends_in_time(whole.substr(1, whole.size() - 2)))
        return std::string(whole);
    }
  }
  return {};
}

}  // namespace

ParsedPrompt parse_plain_prompt(std::string_view prompt) {
  ParsedPrompt parsed;
  parsed.text = without_loras(prompt, parsed.loras);
  parsed.parts.resize(1);
  if (!parsed.text.empty()) parsed.parts.front().push_back({parsed.text, 1});
  parsed.is_plain = true;
  return parsed;
}

ParsedPrompt parse_prompt(std::string_view prompt) {
  ParsedPrompt parsed;
  parsed.text = without_loras(prompt, parsed.loras);
  parsed.parts = WeightParser(parsed.text).parse();
  const std::vector<PromptPiece>& first = parsed.parts.front();
  parsed.is_plain =
      parsed.parts.size() == 1 &&
      (first.empty() ? parsed.text.empty() : first == std::vector<PromptPiece>{{parsed.text, 1}});
  parsed.schedule = schedule_in(parsed.text);
  parsed.has_and = find_word(parsed.text, "AND", 0) != std::string::npos;
  return parsed;
}

}  // namespace semblance
