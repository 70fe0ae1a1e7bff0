#include "text/tokenizer_files.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/json.h"
#include "text/vocabulary.h"

namespace semblance {
namespace {

constexpr std::string_view kWordEnd = "</w>";

int read_max_length(const Json& config) {
  constexpr int kAny = std::numeric_limits<int>::max();
  if (!config.has("model_max_length")) return kAny;
  // Python writes "no limit" as an integer of 31 digits, which JSON readers parse as a float.
  const nlohmann::json& value = config.value().at("model_max_length");
  if (value.is_number_float() && value.get<double>() >= kAny) return kAny;
  return static_cast<int>(
      std::min<std::int64_t>(config.get_int("model_max_length", {}, {.least = 2}), kAny));
}

}  // namespace

TokenTexts::TokenTexts(const std::vector<std::string>& tokens) {
  std::size_t bytes = 0;
  for (const std::string& token : tokens) bytes += token.size();
  bytes_.reserve(bytes);
  ends_.reserve(tokens.size());
  for (const std::string& token : tokens) {
    bytes_ += token;
    ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  }
}

TokenizerFiles read_tokenizer_files(const std::filesystem::path& folder) {
  TokenizerFiles files;
  const auto exists = [&](std::string_view name) {
    std::error_code ignored;
    return std::filesystem::exists(folder / name, ignored);
  };
  SpecialTokens special;
  Vocabulary vocabulary;
  const bool one_file = !exists("vocab.json") && exists("tokenizer.json");
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
  if (exists("tokenizer_config.json")) {
    const Json config = Json::load(folder / "tokenizer_config.json");
    special.read_config(config.expect_object());
    files.max_length = read_max_length(config);
    has_decoder = config.has("added_tokens_decoder");
    if (has_decoder) special.read_decoder(config.child("added_tokens_decoder"));
  }
  if (!has_decoder) {
    if (exists("special_tokens_map.json")) {
      special.read_map(Json::load(folder / "special_tokens_map.json"));
    }
    if (exists("added_tokens.json")) special.read_added(Json::load(folder / "added_tokens.json"));
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
           "cannot read {}: expected a token for every byte or an unknown token, got none for byte "
           "0x{:02x}",
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
  files.tokens = TokenTexts(vocabulary.tokens);
  return files;
}

}  // namespace semblance
