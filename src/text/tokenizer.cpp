#include "text/tokenizer.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/stop.h"
#include "text/byte_pairs.h"
#include "text/clip_vocabulary.h"
#include "text/tokenizer_files.h"
#include "text/unicode.h"

namespace semblance {
namespace {

constexpr std::string_view kStartText = "<|startoftext|>";
constexpr std::string_view kEndText = "<|endoftext|>";

std::string normalize(std::string_view text, std::string_view what) {
  return encode_utf8(lower_case(collapse_spaces(compose_nfc(decode_utf8(text, what)))));
}

/// Finds literal tokens in a text, leftmost first, then longest.
class LiteralFinder {
 public:
  void add(std::string content, std::int32_t id) {
    if (content.empty()) return;
    auto& bucket = buckets_[static_cast<unsigned char>(content.front())];
    bucket.push_back({std::move(content), id});
    std::stable_sort(bucket.begin(), bucket.end(), [](const Literal& a, const Literal& b) {
      return a.content.size() > b.content.size();
    });
  }

  /// Calls on_text(piece) and on_token(id) in the order of the text; no piece is empty.
  template <typename OnText, typename OnToken>
  void split(std::string_view text, OnText&& on_text, OnToken&& on_token,
             const std::stop_token& stop) const {
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
      check_stop(stop);  // a file may name any number of tokens to compare with
      const Literal* literal = match(text.substr(at));
      if (literal == nullptr) {
        ++at;
        continue;
      }
      if (at > begin) on_text(text.substr(begin, at - begin));
      on_token(literal->id);
      at += literal->content.size();
      begin = at;
    }
    if (begin < text.size()) on_text(text.substr(begin));
  }

 private:
  struct Literal {
    std::string content;
    std::int32_t id;
  };
  const Literal* match(std::string_view text) const {
    for (const Literal& literal : buckets_[static_cast<unsigned char>(text.front())]) {
      if (text.starts_with(literal.content)) return &literal;
    }
    return nullptr;
  }
  std::array<std::vector<Literal>, 256> buckets_;
};

enum class Class { kSpace, kLetter, kNumber, kOther };

Class class_of(char32_t c) {
  if (is_letter(c)) return Class::kLetter;
  if (is_number(c)) return Class::kNumber;
  return is_space(c) ? Class::kSpace : Class::kOther;
}

// The length of the contraction at the front of text, or 0.
std::size_t contraction(std::u32string_view text) {
  for (const std::u32string_view ending : {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"}) {
    if (text.starts_with(ending)) return ending.size();
  }
  return 0;
}

/// Calls on_word(word) for each match of CLIP's expression
///   <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
/// Text between the matches is dropped. transformers splits each match again by GPT-2's expression,
/// which only changes the first two: "<|", "endoftext", "|>".
template <typename OnWord>
void split_words(std::string_view text, OnWord&& on_word) {
  const std::u32string characters = decode_utf8_lossy(text);
  std::u32string_view rest = characters;
  const auto take = [&](std::size_t count) {
    on_word(encode_utf8(rest.substr(0, count)));
    rest.remove_prefix(count);
  };
  const std::u32string start(kStartText.begin(), kStartText.end());
  const std::u32string end(kEndText.begin(), kEndText.end());
  while (!rest.empty()) {
    const std::u32string_view& special = rest.starts_with(start) ? start : end;
    if (rest.starts_with(special)) {
      const std::size_t letters = special.size() - 4;
      take(2);
      take(letters);
      take(2);
      continue;
    }
    if (const std::size_t count = contraction(rest); count > 0) {
      take(count);
      continue;
    }
    const Class first = class_of(rest.front());
    if (first == Class::kSpace) {
      rest.remove_prefix(1);
      continue;
    }
    std::size_t count = 1;
    while (first != Class::kNumber && count < rest.size() && class_of(rest[count]) == first) {
      ++count;
    }
    take(count);
  }
}

}  // namespace

struct Tokenizer::Data {
  explicit Data(TokenizerFiles read)
      : files(std::move(read)), pairs(files.middle, files.last, files.merges) {
    std::vector<BytePairs::Merge>().swap(files.merges);  // "= {}" would not free the memory
    for (const AddedToken& token : files.added) {
      if (token.normalized) {
        normalized.add(normalize(token.content, "an added token"), token.id);
      } else {
        raw.add(token.content, token.id);
      }
    }
  }
  TokenizerFiles files;
  BytePairs pairs;
  LiteralFinder raw;
  LiteralFinder normalized;
};

Tokenizer::Tokenizer(std::unique_ptr<const Data> data) : data_(std::move(data)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::filesystem::path& folder) {
  return Tokenizer(std::make_unique<const Data>(read_tokenizer_files(folder)));
}

Tokenizer Tokenizer::clip(int encoder) {
  return Tokenizer(std::make_unique<const Data>(clip_tokenizer_files(encoder)));
}

std::vector<std::int32_t> Tokenizer::tokenize(std::string_view text,
                                              const std::stop_token& stop) const {
  static_cast<void>(
      decode_utf8(text, "a prompt"));  // so that an error's position is in the whole text
  std::vector<std::int32_t> ids;
  const auto on_token = [&](std::int32_t id) { ids.push_back(id); };
  const auto on_word = [&](const std::string& word) {
    check_stop(stop);
    data_->pairs.encode(word, ids);
  };
  const auto on_normalized = [&](std::string_view piece) { split_words(piece, on_word); };
  const auto on_raw = [&](std::string_view piece) {
    data_->normalized.split(normalize(piece, "a prompt"), on_normalized, on_token, stop);
  };
  data_->raw.split(text, on_raw, on_token, stop);
  return ids;
}

EncodedText Tokenizer::encode(std::string_view text, int length,
                              const std::stop_token& stop) const {
  if (length < 2) {
    fail(ErrorKind::kArgument,
         "cannot encode a prompt: a text encoder takes at least 2 tokens (start and end), got {}",
         length);
  }
  const std::vector<std::int32_t> all = tokenize(text, stop);
  const std::size_t room = static_cast<std::size_t>(length) - 2;
  const std::span<const std::int32_t> kept = std::span(all).first(std::min(room, all.size()));
  EncodedText encoded;
  encoded.ids.reserve(static_cast<std::size_t>(length));
  encoded.ids.push_back(start_id());
  encoded.ids.insert(encoded.ids.end(), kept.begin(), kept.end());
  encoded.ids.push_back(end_id());
  encoded.ids.resize(static_cast<std::size_t>(length), pad_id());
  const auto cut = std::span<const std::int32_t>(all).subspan(kept.size());
  encoded.cut_tokens = static_cast<int>(cut.size());
  encoded.cut_text = decode(cut);
  return encoded;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  constexpr std::string_view kWordEnd = "</w>";
  std::string bytes;
  for (const std::int32_t id : ids) {
    SEMBLANCE_ASSERT(id >= 0 && id < size());
    bytes += bytes_of_token(data_->files.tokens[static_cast<std::size_t>(id)]);
  }
  std::string text;
  for (std::size_t at = 0; at < bytes.size();) {
    const bool word_end = std::string_view(bytes).substr(at).starts_with(kWordEnd);
    text.push_back(word_end ? ' ' : bytes[at]);
    at += word_end ? kWordEnd.size() : 1;
  }
  std::u32string characters = decode_utf8_lossy(text);
  const auto strips = [](char32_t c) { return is_space(c) || (c >= 0x1c && c <= 0x1f); };  // Python
  while (!characters.empty() && strips(characters.back())) characters.pop_back();
  const auto first = std::find_if_not(characters.begin(), characters.end(), strips);
  return encode_utf8(std::u32string_view(first, characters.end()));
}

std::int32_t Tokenizer::start_id() const { return data_->files.start_id; }
std::int32_t Tokenizer::end_id() const { return data_->files.end_id; }
std::int32_t Tokenizer::pad_id() const { return data_->files.pad_id; }
std::int32_t Tokenizer::size() const {
  return static_cast<std::int32_t>(data_->files.tokens.size());
}
int Tokenizer::max_length() const { return data_->files.max_length; }

}  // namespace semblance
