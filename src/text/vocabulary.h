// A tokenizer's vocabulary and learnt pairs, read from vocab.json and merges.txt or out of a
// tokenizer.json. Errors are Error(kCorrupt); nothing in the files is trusted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/json.h"
#include "text/byte_pairs.h"

namespace semblance {

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

/// From an object of tokens and ids.
Vocabulary read_vocabulary(const Json& json);

/// The lines of a merges.txt, each two tokens, that the vocabulary has as it has them joined.
std::vector<BytePairs::Merge> read_merges_file(const std::filesystem::path& path,
                                               const Vocabulary& vocabulary);
/// The same from the "merges" of a tokenizer.json's "model".
std::vector<BytePairs::Merge> read_merges_list(const Json& model, const Vocabulary& vocabulary);

/// A token for a message: quoted, at most 40 bytes of it.
std::string shown_token(std::string_view token);

}  // namespace semblance
