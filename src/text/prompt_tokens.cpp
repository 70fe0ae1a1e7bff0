#include "text/prompt_tokens.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/half.h"
#include "text/unicode.h"

namespace semblance {
namespace {

/// How far a full group is looked back for a comma.
constexpr std::size_t kCommaTokens = 20;

bool is_letter_or_number(char32_t c) { return is_letter(c) || is_number(c); }

/// The character in front of `text`'s end, or that it begins with; 0 where there is none.
char32_t last_character(std::string_view text) {
  const std::u32string last =
      decode_utf8_lossy(text.substr(text.size() - std::min<std::size_t>(text.size(), 4)));
  return last.empty() ? U'\0' : last.back();
}
char32_t first_character(std::string_view text) {
  const std::u32string first = decode_utf8_lossy(text.substr(0, 4));
  return first.empty() ? U'\0' : first.front();
}

/// Whether a word that was found at `at` is no part of a longer one.
bool stands_alone(std::string_view text, std::size_t at, std::string_view word) {
  const bool joins_before = is_letter_or_number(first_character(word)) &&
                            is_letter_or_number(last_character(text.substr(0, at)));
  const bool joins_after = is_letter_or_number(last_character(word)) &&
                           is_letter_or_number(first_character(text.substr(at + word.size())));
  return !joins_before && !joins_after;
}

/// Finds words of vectors, leftmost first, then the longest.
class WordFinder {
 public:
  explicit WordFinder(std::span<const VectorWord> words) {
    for (const VectorWord& word : words) {
      if (!word.word.empty()) words_.push_back({lower(word.word), &word});
    }
    std::ranges::stable_sort(
        words_, [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  }

  /// Calls on_text(piece) and on_word(word) in the order of the text; no piece is empty.
  template <typename OnText, typename OnWord>
  void split(std::string_view text, OnText&& on_text, OnWord&& on_word) const {
    const std::string small = words_.empty() ? std::string() : lower(text);
    std::size_t begin = 0;
    for (std::size_t at = 0; at < small.size();) {
      const auto found = std::ranges::find_if(words_, [&](const auto& word) {
        return std::string_view(small).substr(at).starts_with(word.first) &&
               stands_alone(small, at, word.first);
      });
      if (found == words_.end()) {
        ++at;
        continue;
      }
      if (at > begin) on_text(text.substr(begin, at - begin));
      on_word(*found->second);
      at += found->first.size();
      begin = at;
    }
    if (begin < text.size()) on_text(text.substr(begin));
  }

 private:
  std::vector<std::pair<std::string, const VectorWord*>> words_;
};

void add_tokens(std::string_view text, double weight, const Tokenizer& tokenizer,
                const WordFinder& words, const std::stop_token& stop,
                std::vector<PromptToken>& tokens) {
  const auto as_float = static_cast<float>(weight);
  words.split(
      text,
      [&](std::string_view piece) {
        for (const std::int32_t id : tokenizer.tokenize(piece, stop))
          tokens.push_back({id, as_float, 1});
      },
      [&](const VectorWord& word) {
        for (std::int32_t row = 0; row < word.rows; ++row)
          tokens.push_back({-1 - (word.first_row + row), as_float, row == 0 ? word.rows : 1});
      });
}

/// Puts tokens into groups of one length.
class GroupWriter {
 public:
  explicit GroupWriter(const GroupShape& shape) : shape_(shape) {}

  bool is_empty() const { return tokens_.empty(); }
  bool is_full() const { return tokens_.size() == room(); }
  std::size_t room() const { return static_cast<std::size_t>(shape_.room()); }
  std::size_t size() const { return tokens_.size(); }
  void add(const PromptToken& token) { tokens_.push_back(token); }
  /// Tokens from `begin` on, which are taken out.
  std::vector<PromptToken> take_from(std::size_t begin) {
    const auto first = tokens_.begin() + static_cast<std::ptrdiff_t>(begin);
    std::vector<PromptToken> taken(first, tokens_.end());
    tokens_.erase(first, tokens_.end());
    return taken;
  }
  void end_group() {
    groups_.ids.push_back(shape_.start_id);
    groups_.weights.push_back(1);
    for (const PromptToken& token : tokens_) {
      groups_.ids.push_back(token.id);
      groups_.weights.push_back(token.weight);
    }
    groups_.last_length = static_cast<int>(tokens_.size()) + 2;
    const std::size_t filling = room() - tokens_.size() + 1;
    groups_.ids.insert(groups_.ids.end(), filling, shape_.end_id);
    groups_.weights.insert(groups_.weights.end(), filling, 1);
    tokens_.clear();
  }
  bool has_groups() const { return !groups_.ids.empty(); }
  PromptGroups take() { return std::move(groups_); }

 private:
  const GroupShape& shape_;
  std::vector<PromptToken> tokens_;
  PromptGroups groups_;
};

/// All parts in one, each but the last filled up to whole groups.
std::vector<PromptToken> joined(const PromptParts& parts, const GroupShape& shape) {
  const auto room = static_cast<std::size_t>(shape.room());
  std::vector<PromptToken> all;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0 && all.size() % room != 0)
      all.resize(all.size() + room - all.size() % room, {shape.end_id, 1, 1});
    all.insert(all.end(), parts[i].begin(), parts[i].end());
  }
  for (PromptToken& token : all) token.weight = f16_to_f32(f32_to_f16(token.weight));
  return all;
}

}  // namespace

std::vector<std::int32_t> ids_of(std::string_view text, const Tokenizer& tokenizer,
                                 std::span<const VectorWord> words, const std::stop_token& stop) {
  std::vector<PromptToken> tokens;
  add_tokens(text, 1, tokenizer, WordFinder(words), stop, tokens);
  std::vector<std::int32_t> ids;
  ids.reserve(tokens.size());
  for (const PromptToken& token : tokens) ids.push_back(token.id);
  return ids;
}

PromptParts tokens_of(const ParsedPrompt& prompt, const Tokenizer& tokenizer,
                      std::span<const VectorWord> words, const std::stop_token& stop) {
  const WordFinder finder(words);
  PromptParts parts;
  for (const std::vector<PromptPiece>& part : prompt.parts) {
    std::vector<PromptToken>& tokens = parts.emplace_back();
    for (const PromptPiece& piece : part)
      add_tokens(piece.text, piece.weight, tokenizer, finder, stop, tokens);
  }
  return parts;
}

GroupShape group_shape(const Tokenizer& tokenizer, int length) {
  const std::vector<std::int32_t> comma = tokenizer.tokenize(",");
  return {.length = length,
          .start_id = tokenizer.start_id(),
          .end_id = tokenizer.end_id(),
          .comma_id = comma.size() == 1 ? comma.front() : -1};
}

PromptGroups plain_group(std::span<const std::int32_t> ids, const GroupShape& shape,
                         std::int32_t pad_id) {
  GroupWriter writer(shape);
  for (const std::int32_t id : ids.first(std::min(ids.size(), writer.room()))) writer.add({id});
  writer.end_group();
  PromptGroups group = writer.take();
  std::fill(group.ids.begin() + group.last_length, group.ids.end(), pad_id);
  group.last_length = shape.length;
  return group;
}

std::vector<PromptGroups> weighted_groups(std::span<const PromptParts> prompts,
                                          const GroupShape& shape) {
  std::vector<std::vector<PromptToken>> all;
  std::size_t length = 0;
  for (const PromptParts& prompt : prompts) {
    all.push_back(joined(prompt, shape));
    length = std::max(length, all.back().size());
  }
  std::vector<PromptGroups> groups;
  for (std::vector<PromptToken>& tokens : all) {
    tokens.resize(length, {shape.end_id, 1, 1});
    GroupWriter writer(shape);
    for (const PromptToken& token : tokens) {
      writer.add(token);
      if (writer.is_full()) writer.end_group();
    }
    writer.end_group();
    groups.push_back(writer.take());
  }
  return groups;
}

PromptGroups a1111_groups(const PromptParts& prompt, const GroupShape& shape) {
  GroupWriter writer(shape);
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    if (i > 0) writer.end_group();
    constexpr auto kNone = ~std::size_t{0};
    std::size_t comma = kNone;  // the last one of the group
    const auto end_group = [&] {
      writer.end_group();
      comma = kNone;
    };
    for (const PromptToken& token : prompt[i]) {
      if (token.id == shape.comma_id) {
        comma = writer.size();
      } else if (writer.is_full() && comma != kNone && writer.size() - comma <= kCommaTokens) {
        const std::vector<PromptToken> phrase = writer.take_from(comma + 1);
        end_group();
        for (const PromptToken& moved : phrase) writer.add(moved);
      }
      const auto together = static_cast<std::size_t>(token.together);
      const bool is_apart = together <= writer.room() && writer.size() + together > writer.room();
      if (writer.is_full() || is_apart) end_group();
      writer.add(token);
    }
  }
  if (!writer.is_empty() || !writer.has_groups()) writer.end_group();
  PromptGroups groups = writer.take();
  groups.last_length = shape.length;
  return groups;
}

void add_empty_groups(PromptGroups& groups, std::size_t count, const GroupShape& shape) {
  while (groups.count(shape) < count) {
    groups.ids.push_back(shape.start_id);
    groups.ids.resize(groups.ids.size() + static_cast<std::size_t>(shape.length) - 1, shape.end_id);
    groups.weights.resize(groups.ids.size(), 1);
  }
}

void fill_behind_end(std::span<std::int32_t> ids, const GroupShape& shape, std::int32_t pad_id) {
  const auto length = static_cast<std::size_t>(shape.length);
  for (std::size_t begin = 0; begin < ids.size(); begin += length) {
    const std::span<std::int32_t> group = ids.subspan(begin, length);
    const auto end = std::ranges::find(group, shape.end_id);
    if (end != group.end()) std::fill(end + 1, group.end(), pad_id);
  }
}

int estimated_tokens(std::string_view text) {
  constexpr int kLetters = 8;
  constexpr int kSigns = 2;
  int tokens = 0;
  int letters = 0;
  int signs = 0;
  for (const char32_t c : decode_utf8_lossy(text)) {
    const bool is_inside = is_letter(c);
    const bool is_sign = !is_inside && !is_number(c) && !is_space(c);
    if (is_inside && letters++ % kLetters == 0) ++tokens;
    if (is_sign && signs++ % kSigns == 0) ++tokens;
    if (is_number(c)) ++tokens;
    if (!is_inside) letters = 0;
    if (!is_sign) signs = 0;
  }
  return tokens;
}

}  // namespace semblance
