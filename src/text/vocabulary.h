// A tokenizer's vocabulary and learnt pairs, read from vocab.json and merges.txt or from a
// tokenizer.json. Errors are Error(kCorrupt); the files are not trusted.
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

/// Tokens and their ids; ids are 0, 1, 2, ... without gaps.
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

/// Reads an object of tokens and ids.
Vocabulary read_vocabulary(const Json& json);

/// Reads the lines of a merges.txt: two tokens each. The vocabulary must have both, and the two
/// joined.
std::vector<BytePairs::Merge> read_merges_file(const std::filesystem::path& path,
                                               const Vocabulary& vocabulary);
/// The same from the "merges" of a tokenizer.json's "model".
std::vector<BytePairs::Merge> read_merges_list(const Json& model, const Vocabulary& vocabulary);

/// A token for a message: quoted, and shortened to 40 bytes.
std::string shown_token(std::string_view token);

}  // namespace semblance
