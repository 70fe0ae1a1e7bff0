#include "text/tokenizer_files.h"

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <unordered_map>

#include "core/error.h"
#include "core/json.h"
#include "memory/file.h"

namespace semblance {
namespace {

constexpr std::string_view kWordEnd = "</w>";

std::string shown(std::string_view text) {
  constexpr std::size_t kMostBytes = 40;
  const bool whole = text.size() <= kMostBytes;
  return nlohmann::json(std::string(text.substr(0, kMostBytes)))
             .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) +
         (whole ? "" : "...");
}

/// Tokens and their ids; ids are 0, 1, 2, ... without a gap.
struct Vocabulary {
  std::string file;
  std::vector<std::string> tokens;
  std::unordered_map<std::string, std::int32_t> ids;

  std::optional<std::int32_t> find(const std::string& token) const {
    const auto found = ids.find(token);
    return found == ids.end() ? std::nullopt : std::optional(found->second);
  }
  std::int32_t add(const std::string& token) {
    const auto id = static_cast<std::int32_t>(tokens.size());
    const auto [place, is_new] = ids.try_emplace(token, id);
    if (is_new) tokens.push_back(token);
    return place->second;
  }
};

Vocabulary read_vocabulary(const Json& json) {
  json.expect_object();
  Vocabulary vocabulary;
  vocabulary.file = json.file();
  const std::vector<std::string> keys = json.keys();
  const auto count = static_cast<std::int64_t>(keys.size());
  if (count == 0) fail(ErrorKind::kCorrupt, "cannot read {}: it has no tokens", json.file());
  vocabulary.tokens.resize(keys.size());
  std::vector<bool> taken(keys.size());
  vocabulary.ids.reserve(keys.size());
  for (const std::string& key : keys) {
    // Ids without a gap are below their number, and then each id that comes twice leaves one out.
    const auto id =
        static_cast<std::size_t>(json.get_int(key, {}, {.least = 0, .most = count - 1}));
    if (taken[id]) {
      fail(ErrorKind::kCorrupt, "cannot read {}: each id stands for one token, {} is {} and {}",
           json.file(), id, shown(vocabulary.tokens[id]), shown(key));
    }
    taken[id] = true;
    vocabulary.tokens[id] = key;
    vocabulary.ids.emplace(key, static_cast<std::int32_t>(id));
  }
  return vocabulary;
}

/// Learnt pairs, checked against the vocabulary. `place` says where each comes from.
class MergeReader {
 public:
  MergeReader(std::string file, const Vocabulary& vocabulary)
      : file_(std::move(file)), vocabulary_(vocabulary) {}

  void read_pair(std::string_view line, std::string_view place) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      fail(ErrorKind::kCorrupt,
           "cannot read {}: {} must be two tokens with a space between, got {}", file_, place,
           shown(line));
    }
    read_pair(std::string(line.substr(0, space)), std::string(line.substr(space + 1)), place);
  }
  void read_pair(const std::string& left, const std::string& right, std::string_view place) {
    merges_.push_back({id_of(left, place), id_of(right, place), id_of(left + right, place)});
  }
  std::vector<BytePairs::Merge> take() { return std::move(merges_); }

 private:
  std::int32_t id_of(const std::string& token, std::string_view place) const {
    const auto id = vocabulary_.find(token);
    if (!id) {
      fail(ErrorKind::kCorrupt, "cannot read {}: {} needs the token {}, which {} does not have",
           file_, place, shown(token), vocabulary_.file);
    }
    return *id;
  }

  std::string file_;
  const Vocabulary& vocabulary_;
  std::vector<BytePairs::Merge> merges_;
};

std::vector<BytePairs::Merge> read_merges_file(const std::filesystem::path& path,
                                               const Vocabulary& vocabulary) {
  const std::string text = read_small_file(path, Json::kLimitBytes);
  MergeReader reader(path.string(), vocabulary);
  std::string_view rest = text;
  for (int number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    reader.read_pair(line, fmt::format("line {}", number));
  }
  return reader.take();
}

std::vector<BytePairs::Merge> read_merges_list(const Json& model, const Vocabulary& vocabulary) {
  MergeReader reader(model.file(), vocabulary);
  std::size_t number = 0;
  for (const Json& item : model.child("merges").items()) {
    const std::string place = fmt::format("merge {}", number++);
    const nlohmann::json& value = item.value();
    if (value.is_string()) {
      reader.read_pair(value.get<std::string>(), place);
    } else if (value.is_array() && value.size() == 2 && value[0].is_string() &&
               value[1].is_string()) {
      reader.read_pair(value[0].get<std::string>(), value[1].get<std::string>(), place);
    } else {
      fail(ErrorKind::kCorrupt, "cannot read {}: {} must be two tokens, got {}", model.file(),
           place, shown(value.dump(-1, ' ', true)));
    }
  }
  return reader.take();
}

/// A special token as a file spells it: a string, or an object with flags.
struct SpecialToken {
  std::string content = {};
  bool is_object = false;
  bool special = false;
  std::optional<bool> normalized = {};

  bool is_normalized() const { return normalized.value_or(!special); }
  // As the Python classes compare: a string is no AddedToken.
  friend bool operator==(const SpecialToken& a, const SpecialToken& b) {
    return a.content == b.content && a.is_object == b.is_object &&
           (!a.is_object || (a.special == b.special && a.is_normalized() == b.is_normalized()));
  }
};

SpecialToken read_object_token(const Json& json) {
  for (const std::string_view flag : {"lstrip", "rstrip", "single_word"}) {
    if (json.get_bool(flag, false)) {
      json.refuse(flag, "false (Semblance finds tokens as they are written)");
    }
  }
  SpecialToken token;
  token.content = json.get_string("content");
  token.is_object = true;
  token.special = json.get_bool("special", false);
  if (json.has("normalized")) token.normalized = json.get_bool("normalized");
  return token;
}

SpecialToken read_token(const Json& owner, std::string_view key) {
  const Json json = owner.child(key);
  if (json.value().is_string()) {
    SpecialToken token;
    token.content = json.value().get<std::string>();
    return token;
  }
  if (!json.is_object()) owner.refuse(key, "a token (a string or an object)");
  return read_object_token(json);
}

/// The tokens that the files name, gathered in the order and with the precedence of transformers 5.
class SpecialTokens {
 public:
  void read_config(const Json& config) {
    read_named(config, false);
    read_extra(config, "additional_special_tokens");
    read_extra(config, "extra_special_tokens");
    for (const std::string_view side : {"padding_side", "truncation_side"}) {
      if (config.get_string(side, "right") != "right") config.refuse(side, "\"right\"");
    }
    if (config.get_bool("split_special_tokens", false)) {
      config.refuse("split_special_tokens", "false");
    }
  }

  void read_decoder(const Json& decoder) {
    decoder.expect_object();
    for (const std::string& key : decoder.keys()) {
      const bool digits =
          !key.empty() && key.size() <= 9 &&
          std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (!digits) {
        fail(ErrorKind::kCorrupt,
             "cannot read {}: a key of added_tokens_decoder must be an id, got {}", decoder.file(),
             shown(key));
      }
      by_id_[std::stoi(key)] = read_object_token(decoder.child(key));
    }
    file_ = decoder.file();
  }

  /// The "added_tokens" of a tokenizer.json.
  void read_list(const Json& list) {
    for (const Json& item : list.items()) {
      const auto id = item.expect_object().get_int("id", {}, {.least = 0, .most = kMostId});
      by_id_[static_cast<std::int32_t>(id)] = read_object_token(item);
    }
    file_ = list.file();
  }

  void read_map(const Json& map) {
    map.expect_object();
    read_named(map, true);
    read_extra(map, "additional_special_tokens");
    read_extra(map, "extra_special_tokens");
  }

  /// The older added_tokens.json: contents and ids.
  void read_added(const Json& json) {
    json.expect_object();
    for (const std::string& key : json.keys()) {
      SpecialToken token;
      token.content = key;
      token.is_object = true;
      token.special = is_named(key) || std::any_of(extra_.begin(), extra_.end(),
                                                   [&](const auto& t) { return t.content == key; });
      const auto id = json.get_int(key, {}, {.least = 0, .most = kMostId});
      by_id_[static_cast<std::int32_t>(id)] = std::move(token);
    }
    file_ = json.file();
  }

  std::string content_of(std::string_view name, std::string_view fallback) const {
    const auto found = named_.find(std::string(name));
    return found == named_.end() ? std::string(fallback) : found->second.content;
  }

  /// Adds all of them to the vocabulary; a token that it has keeps its id.
  std::vector<AddedToken> add_to(Vocabulary& vocabulary) {
    for (const std::string_view name : {"bos_token", "eos_token", "unk_token", "pad_token"}) {
      const bool start = name == "bos_token";
      named_.try_emplace(std::string(name),
                         SpecialToken{.content = start ? "<|startoftext|>" : "<|endoftext|>"});
    }
    std::vector<SpecialToken> tokens;
    std::set<std::string> declared;
    for (const auto& [id, token] : by_id_) {
      tokens.push_back(token);
      declared.insert(token.content);
    }
    const auto offer = [&](const SpecialToken& token) {
      if (declared.contains(token.content)) return;
      if (std::find(tokens.begin(), tokens.end(), token) == tokens.end()) tokens.push_back(token);
    };
    for (const std::string_view name : kOrder) {
      const auto found = named_.find(std::string(name));
      if (found != named_.end()) offer(found->second);
    }
    for (const auto& [name, token] : named_) {
      if (std::find(kOrder.begin(), kOrder.end(), name) == kOrder.end()) offer(token);
    }
    for (const SpecialToken& token : extra_) offer(token);

    std::vector<AddedToken> added;
    for (SpecialToken& token : tokens) {
      if (token.content.empty()) continue;
      if (!token.is_object || is_named(token.content)) token.special = true;
      const std::int32_t id = vocabulary.add(token.content);
      const AddedToken result{token.content, id, token.is_normalized()};
      const auto same =
          std::find_if(added.begin(), added.end(), [&](const auto& a) { return a.id == id; });
      if (same == added.end()) {
        added.push_back(result);
      } else {
        *same = result;
      }
    }
    for (const auto& [id, token] : by_id_) {
      if (token.content.empty() || *vocabulary.find(token.content) == id) continue;
      fail(ErrorKind::kCorrupt, "cannot read {}: the added token {} must have id {}, got {}", file_,
           shown(token.content), *vocabulary.find(token.content), id);
    }
    return added;
  }

 private:
  static constexpr std::int64_t kMostId = 999'999'999;
  static constexpr std::array<std::string_view, 7> kOrder = {
      "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

  // Every key that ends in "_token" and holds a token names one.
  void read_named(const Json& json, bool special) {
    for (const std::string& key : json.keys()) {
      const bool standard = std::find(kOrder.begin(), kOrder.end(), key) != kOrder.end();
      if (!key.ends_with("_token") || !json.has(key)) continue;
      const nlohmann::json& value = json.value().at(key);
      if (!standard && !value.is_string() && !value.is_object()) continue;
      SpecialToken token = read_token(json, key);
      token.special |= special && token.is_object;
      named_[key] = std::move(token);
    }
  }

  void read_extra(const Json& json, std::string_view key) {
    if (!json.has(key)) return;
    for (const Json& item : json.child(key).items()) {
      SpecialToken token;
      if (item.is_object()) {
        token = read_object_token(item);
        token.special = true;
      } else if (item.value().is_string()) {
        token.content = item.value().get<std::string>();
      } else {
        json.refuse(key, "a list of tokens");
      }
      if (std::find(extra_.begin(), extra_.end(), token) == extra_.end()) extra_.push_back(token);
    }
  }

  bool is_named(const std::string& content) const {
    return std::any_of(named_.begin(), named_.end(),
                       [&](const auto& item) { return item.second.content == content; });
  }

  std::map<std::string, SpecialToken> named_;
  std::vector<SpecialToken> extra_;
  std::map<std::int32_t, SpecialToken> by_id_;
  std::string file_;
};

int read_max_length(const Json& config) {
  constexpr int kAny = std::numeric_limits<int>::max();
  if (!config.has("model_max_length")) return kAny;
  // Python writes "no limit" as an integer of 31 digits, which JSON readers take for a float.
  const nlohmann::json& value = config.value().at("model_max_length");
  if (value.is_number_float() && value.get<double>() >= kAny) return kAny;
  return static_cast<int>(
      std::min<std::int64_t>(config.get_int("model_max_length", {}, {.least = 2}), kAny));
}

}  // namespace

TokenizerFiles read_tokenizer_files(const std::filesystem::path& folder) {
  TokenizerFiles files;
  const auto is_there = [&](std::string_view name) {
    std::error_code ignored;
    return std::filesystem::exists(folder / name, ignored);
  };
  SpecialTokens special;
  Vocabulary vocabulary;
  const bool one_file = !is_there("vocab.json") && is_there("tokenizer.json");
  std::optional<Json> whole;
  if (one_file) {
    whole = Json::load(folder / "tokenizer.json");
    const Json model = whole->expect_object().child("model");
    if (model.get_string("type", "BPE") != "BPE") model.refuse("type", "\"BPE\"");
    vocabulary = read_vocabulary(model.child("vocab"));
    files.merges = read_merges_list(model, vocabulary);
  } else {
    vocabulary = read_vocabulary(Json::load(folder / "vocab.json"));
    files.merges = read_merges_file(folder / "merges.txt", vocabulary);
  }

  files.max_length = std::numeric_limits<int>::max();
  bool has_decoder = false;
  if (is_there("tokenizer_config.json")) {
    const Json config = Json::load(folder / "tokenizer_config.json");
    special.read_config(config.expect_object());
    files.max_length = read_max_length(config);
    has_decoder = config.has("added_tokens_decoder");
    if (has_decoder) special.read_decoder(config.child("added_tokens_decoder"));
  }
  if (!has_decoder) {
    if (is_there("special_tokens_map.json")) {
      special.read_map(Json::load(folder / "special_tokens_map.json"));
    }
    if (is_there("added_tokens.json")) special.read_added(Json::load(folder / "added_tokens.json"));
    if (one_file && whole->has("added_tokens")) special.read_list(whole->child("added_tokens"));
  }

  const std::optional<std::int32_t> unknown =
      vocabulary.find(special.content_of("unk_token", "<|endoftext|>"));
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const std::string& symbol = symbol_of_byte(static_cast<unsigned char>(byte));
    const auto middle = vocabulary.find(symbol);
    const auto last = vocabulary.find(symbol + std::string(kWordEnd));
    if (!unknown && (!middle || !last)) {
      fail(ErrorKind::kCorrupt,
           "cannot read {}: it must have a token for every byte or the unknown token, and has none "
           "for byte 0x{:02x}",
           vocabulary.file, byte);
    }
    files.middle[byte] = middle.value_or(unknown.value_or(0));
    files.last[byte] = last.value_or(unknown.value_or(0));
  }
  files.added = special.add_to(vocabulary);
  const auto id_of = [&](std::string_view name) {
    const auto id = vocabulary.find(special.content_of(name, ""));
    if (!id)
      fail(ErrorKind::kCorrupt, "cannot read {}: {} must not be empty", folder.string(), name);
    return *id;
  };
  files.start_id = id_of("bos_token");
  files.end_id = id_of("eos_token");
  files.pad_id = id_of("pad_token");
  files.tokens = std::move(vocabulary.tokens);
  return files;
}

}  // namespace semblance
