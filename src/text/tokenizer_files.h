// A tokenizer's folder, read and checked: vocab.json, merges.txt, tokenizer_config.json,
// special_tokens_map.json and added_tokens.json (or tokenizer.json in place of the first two, as
// newer versions of transformers write it). Nothing in them is trusted.
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

struct TokenizerFiles {
  std::vector<std::string> tokens;  // by id, added ones included
  std::array<std::int32_t, 256> middle{};
  std::array<std::int32_t, 256> last{};
  std::vector<BytePairs::Merge> merges;
  std::vector<AddedToken> added;
  std::int32_t start_id = 0;
  std::int32_t end_id = 0;
  std::int32_t pad_id = 0;
  int max_length = 0;
};

/// Throws Error(kMissing) for a file that must be there, Error(kCorrupt) for one that does not hold
/// what it must.
TokenizerFiles read_tokenizer_files(const std::filesystem::path& folder);

}  // namespace semblance
