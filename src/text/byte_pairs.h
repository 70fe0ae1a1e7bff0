// Byte-pair encoding of one word: its bytes are the first symbols (the last one marked as a word's
// end), and the pair that was learnt first is joined first, again and again.
// (Sennrich et al. 2016; ties and stale pairs as the `tokenizers` package resolves them.)
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace semblance {

/// The visible character that stands for a byte in vocab.json and merges.txt, as UTF-8.
const std::string& symbol_of_byte(unsigned char byte);
/// What a token of the vocabulary stands for in bytes, a word's end included as "</w>".
std::string bytes_of_token(std::string_view token);

class BytePairs {
 public:
  struct Merge {
    std::int32_t left;
    std::int32_t right;
    std::int32_t joined;
  };

  /// `middle` and `last` are the ids of each byte inside and at the end of a word; `merges` are in
  /// the order in which they were learnt. Of a pair given twice the later place counts.
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
  std::vector<Join> joins_;  // sorted by pair: a third of the bytes of a hash table
};

}  // namespace semblance
