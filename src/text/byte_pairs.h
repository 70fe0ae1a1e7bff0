// Byte-pair encoding of one word. Its bytes are the first symbols (the last one marked as the end
// of a word); then the pair that was learnt first is joined, repeatedly. (Sennrich et al. 2016;
// ties and stale pairs are resolved as in the `tokenizers` package.)
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace semblance {

/// The visible character that represents a byte in vocab.json and merges.txt, as UTF-8.
const std::string& symbol_of_byte(unsigned char byte);
/// The bytes that a token of the vocabulary represents, including the end of a word as "</w>".
std::string bytes_of_token(std::string_view token);

class BytePairs {
 public:
  struct Merge {
    std::int32_t left;
    std::int32_t right;
    std::int32_t joined;
  };

  /// `middle` and `last` are the ids of each byte inside and at the end of a word; `merges` are in
  /// the order in which they were learnt. If a pair is given twice, its later position counts.
  BytePairs(const std::array<std::int32_t, 256>& middle, const std::array<std::int32_t, 256>& last,
            const std::vector<Merge>& merges);

  /// Appends the ids of a word's bytes. Takes O(n log n) steps for n bytes. Thread-safe.
  void encode(std::string_view word, std::vector<std::int32_t>& ids) const;

 private:
  struct Join {
    std::uint64_t pair;
    std::int32_t rank;
    std::int32_t joined;
  };
  const Join* find(std::int32_t left, std::int32_t right) const;

  std::array<std::int32_t, 256> middle_;
  std::array<std::int32_t, 256> last_;
  std::vector<Join> joins_;  // sorted by pair: a third of the size of a hash table
};

}  // namespace semblance
