// The special tokens of a tokenizer (such as "<|endoftext|>"), which several files may name.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "text/vocabulary.h"

namespace semblance {

/// A token that is matched in the text before words are split.
struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool normalized = false;  // matched in the normalized text, not in the original
};

/// A special token as in a file: a string, or an object with flags.
struct SpecialToken {
  std::string content = {};
  bool is_object = false;
  bool special = false;
  std::optional<bool> normalized = {};

  bool is_normalized() const { return normalized.value_or(!special); }
  // Compares like the Python classes: a string is not an AddedToken.
  friend bool operator==(const SpecialToken& a, const SpecialToken& b) {
    return a.content == b.content && a.is_object == b.is_object &&
           (!a.is_object || (a.special == b.special && a.is_normalized() == b.is_normalized()));
  }
};

/// Collects the tokens that the files name, in the order and with the precedence of transformers 5.
/// The reading functions throw Error(kCorrupt).
class SpecialTokens {
 public:
  /// tokenizer_config.json, except for its "added_tokens_decoder", which read_decoder() reads.
  void read_config(const Json& config);
  void read_decoder(const Json& decoder);
  /// The "added_tokens" of a tokenizer.json.
  void read_list(const Json& list);
  /// special_tokens_map.json.
  void read_map(const Json& map);
  /// The older added_tokens.json: contents and ids.
  void read_added(const Json& json);
  /// The content of the token of this name ("bos_token"), or the fallback.
  std::string content_of(std::string_view name, std::string_view fallback) const;
  /// Adds all of them to the vocabulary; tokens that it already has keep their ids.
  std::vector<AddedToken> add_to(Vocabulary& vocabulary);

 private:
  // Reads every key that ends in "_token" and whose value is a token.
  void read_named(const Json& json, bool special);
  void read_extra(const Json& json, std::string_view key);
  bool is_named(const std::string& content) const;

  std::map<std::string, SpecialToken> named_;
  std::vector<SpecialToken> extra_;
  std::map<std::int32_t, SpecialToken> by_id_;
  std::string file_;
};

}  // namespace semblance
