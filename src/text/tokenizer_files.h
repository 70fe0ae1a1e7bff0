// Reads and checks a tokenizer's folder: vocab.json, merges.txt, tokenizer_config.json,
// special_tokens_map.json and added_tokens.json (or tokenizer.json instead of the first two, as
// newer versions of transformers write it). The files are not trusted.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_pairs.h"
#include "text/special_tokens.h"

namespace semblance {

/// The texts of tokens by id, in one string: a separate string for each would take five times the
/// memory.
class TokenTexts {
 public:
  TokenTexts() = default;
  explicit TokenTexts(const std::vector<std::string>& tokens);

  std::size_t size() const { return ends_.size(); }
  /// `id` is below size().
  std::string_view operator[](std::size_t id) const {
    const std::uint32_t begin = id == 0 ? 0 : ends_[id - 1];
    return std::string_view(bytes_).substr(begin, ends_[id] - begin);
  }

 private:
  std::string bytes_;
  std::vector<std::uint32_t> ends_;
};

struct TokenizerFiles {
  TokenTexts tokens;  // including added ones
  std::array<std::int32_t, 256> middle{};
  std::array<std::int32_t, 256> last{};
  std::vector<BytePairs::Merge> merges;
  std::vector<AddedToken> added;
  std::int32_t start_id = 0;
  std::int32_t end_id = 0;
  std::int32_t pad_id = 0;
  int max_length = 0;
};

/// Throws Error(kMissing) if a required file is missing, Error(kCorrupt) if the content of one is
/// invalid.
TokenizerFiles read_tokenizer_files(const std::filesystem::path& folder);

}  // namespace semblance
