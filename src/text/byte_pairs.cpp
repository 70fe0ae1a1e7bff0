#include "text/byte_pairs.h"

#include <algorithm>
#include <queue>

#include "text/unicode.h"

namespace semblance {
namespace {

std::uint64_t key_of(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

// Printable bytes represent themselves; the others get the characters from U+0100 on, in order.
std::array<char32_t, 256> byte_characters() {
  std::array<char32_t, 256> characters{};
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool prints =
        (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    characters[byte] = prints ? byte : next++;
  }
  return characters;
}

struct Symbol {
  std::int32_t id;
  std::int32_t previous;
  std::int32_t next;  // -1 after the last
  bool joined_away;
};

struct Candidate {
  std::int32_t rank;
  std::int32_t position;
  std::int32_t joined;
  // The queue's top is the lowest rank, then the leftmost.
  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

}  // namespace

const std::string& symbol_of_byte(unsigned char byte) {
  static const std::array<std::string, 256> kSymbols = [] {
    std::array<std::string, 256> symbols;
    const std::array<char32_t, 256> characters = byte_characters();
    for (std::size_t i = 0; i < 256; ++i) append_utf8(characters[i], symbols[i]);
    return symbols;
  }();
  return kSymbols[byte];
}

std::string bytes_of_token(std::string_view token) {
  static const std::array<char32_t, 256> kCharacters = byte_characters();
  std::string bytes;
  for (const char32_t c : decode_utf8_lossy(token)) {
    std::size_t byte = 0;
    while (byte < 256 && kCharacters[byte] != c) ++byte;
    if (byte == 256) return std::string(token);
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

BytePairs::BytePairs(const std::array<std::int32_t, 256>& middle,
                     const std::array<std::int32_t, 256>& last, const std::vector<Merge>& merges)
    : middle_(middle), last_(last) {
  joins_.reserve(merges.size());
  std::int32_t rank = 0;
  for (const Merge& merge : merges)
    joins_.push_back({key_of(merge.left, merge.right), rank++, merge.joined});
  std::sort(joins_.begin(), joins_.end(), [](const Join& a, const Join& b) {
    return a.pair != b.pair ? a.pair < b.pair : a.rank > b.rank;
  });
  const auto repeated = std::unique(joins_.begin(), joins_.end(),
                                    [](const Join& a, const Join& b) { return a.pair == b.pair; });
  joins_.erase(repeated, joins_.end());
}

const BytePairs::Join* BytePairs::find(std::int32_t left, std::int32_t right) const {
  const std::uint64_t pair = key_of(left, right);
  const auto found =
      std::lower_bound(joins_.begin(), joins_.end(), pair,
                       [](const Join& join, std::uint64_t wanted) { return join.pair < wanted; });
  return found == joins_.end() || found->pair != pair ? nullptr : &*found;
}

void BytePairs::encode(std::string_view word, std::vector<std::int32_t>& ids) const {
  const auto count = static_cast<std::int32_t>(word.size());
  if (count == 0) return;
  std::vector<Symbol> symbols(word.size());
  for (std::int32_t i = 0; i < count; ++i) {
    const auto byte = static_cast<unsigned char>(word[static_cast<std::size_t>(i)]);
    const bool at_end = i + 1 == count;
    symbols[static_cast<std::size_t>(i)] = {at_end ? last_[byte] : middle_[byte], i - 1,
                                            at_end ? -1 : i + 1, false};
  }
  const auto at = [&](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };

  std::priority_queue<Candidate> queue;
  const auto consider = [&](std::int32_t left) {
    if (left < 0 || at(left).next < 0) return;
    const Join* join = find(at(left).id, at(at(left).next).id);
    if (join != nullptr) queue.push({join->rank, left, join->joined});
  };
  for (std::int32_t i = 0; i + 1 < count; ++i) consider(i);

  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = at(top.position);
    if (left.joined_away || left.next < 0) continue;
    // The pair may have changed since it was queued. It only has to join into the same token still,
    // from any pair.
    const Join* join = find(left.id, at(left.next).id);
    if (join == nullptr || join->joined != top.joined) continue;
    Symbol& right = at(left.next);
    left.id = top.joined;
    left.next = right.next;
    right.joined_away = true;
    if (left.next >= 0) at(left.next).previous = top.position;
    consider(left.previous);
    consider(top.position);
  }
  for (std::int32_t i = 0; i >= 0; i = at(i).next) ids.push_back(at(i).id);
}

}  // namespace semblance
