// CLIP's tokenizer: text to ids, identical to transformers 5's CLIPTokenizer for any Unicode text.
//
// The text is composed (NFC), its white space collapsed, lower-cased and split into words by CLIP's
// regular expression; then each word's UTF-8 bytes are joined by the vocabulary's byte pairs.
// Special tokens ("<|endoftext|>", and every token that the folder's files add) are matched in the
// text first, so a pad token "!" (SDXL's second tokenizer) is id 0 anywhere in the text, as in
// transformers. Everything comes from the folder; no size or id is assumed. Immutable, so
// thread-safe. CLIP's public vocabulary is built in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace semblance {

/// A prompt of a fixed number of tokens.
struct EncodedText {
  std::vector<std::int32_t> ids;  // [length]: start, the text's tokens, end, padding
  int cut_tokens = 0;             // tokens of the text that did not fit
  std::string cut_text;           // their text, for a warning: lower case, one space between words
};

class Tokenizer {
 public:
  /// Reads a folder with vocab.json and merges.txt (or a tokenizer.json), and the files there that
  /// name special tokens. Throws Error(kMissing) or Error(kCorrupt).
  static Tokenizer load(const std::filesystem::path& folder);
  /// SDXL's first (0) or second (1) tokenizer as published, from the program itself
  /// (clip_vocabulary.h).
  static Tokenizer clip(int encoder);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// All ids of a text, without start and end, in nearly linear time. Throws Error(kArgument) if it
  /// is not UTF-8, and Error(kCancelled) soon after `stop`.
  std::vector<std::int32_t> tokenize(std::string_view text, const std::stop_token& stop = {}) const;
  /// `length` ids; a text that is too long is cut but still ends with the end token. Throws
  /// Error(kArgument) for text that is not UTF-8 and for a length below 2, and Error(kCancelled).
  EncodedText encode(std::string_view text, int length, const std::stop_token& stop = {}) const;
  /// The text of ids, like transformers' decode. Ids must be below size().
  std::string decode(std::span<const std::int32_t> ids) const;

  std::int32_t start_id() const;
  std::int32_t end_id() const;
  std::int32_t pad_id() const;
  /// All ids are below this; a text encoder must have this many rows.
  std::int32_t size() const;
  /// `model_max_length` of the files: the tokens a text encoder accepts, including start and end.
  /// The largest int if the files do not say.
  int max_length() const;

 private:
  struct Data;
  explicit Tokenizer(std::unique_ptr<const Data> data);
  std::unique_ptr<const Data> data_;
};

}  // namespace semblance
