#include "text/clip_vocabulary.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace semblance {
namespace {

constexpr std::size_t kBytes = 256;
constexpr std::size_t kPairBytes = 4;
constexpr std::int32_t kLength = 77;
constexpr const char* kEndOfWord = "</w>";
constexpr const char* kStart = "<|startoftext|>";
constexpr const char* kEnd = "<|endoftext|>";
constexpr const char* kPad = "!";  // of the second tokenizer

/// The bytes in the vocabulary's order, that of their characters.
std::array<std::size_t, kBytes> bytes_in_order() {
  std::array<std::size_t, kBytes> order{};
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [](std::size_t byte) -> const std::string& {
    return symbol_of_byte(static_cast<unsigned char>(byte));
  });
  return order;
}

}  // namespace

TokenizerFiles clip_tokenizer_files(int encoder) {
  TokenizerFiles files;
  std::vector<std::string> tokens;
  tokens.reserve(kClipTokens);
  const std::array<std::size_t, kBytes> order = bytes_in_order();
  for (auto* const ids : {&files.middle, &files.last}) {
    for (const std::size_t byte : order) {
      (*ids)[byte] = static_cast<std::int32_t>(tokens.size());
      tokens.push_back(symbol_of_byte(static_cast<unsigned char>(byte)));
      if (ids == &files.last) tokens.back() += kEndOfWord;
    }
  }
  const std::span<const unsigned char> bytes = clip_merges();
  files.merges.reserve(bytes.size() / kPairBytes);
  for (std::size_t at = 0; at + kPairBytes <= bytes.size(); at += kPairBytes) {
    const auto left = static_cast<std::size_t>(bytes[at] | bytes[at + 1] << 8U);
    const auto right = static_cast<std::size_t>(bytes[at + 2] | bytes[at + 3] << 8U);
    SEMBLANCE_ASSERT(left < tokens.size() && right < tokens.size());
    files.merges.push_back({static_cast<std::int32_t>(left), static_cast<std::int32_t>(right),
                            static_cast<std::int32_t>(tokens.size())});
    tokens.push_back(tokens[left] + tokens[right]);
  }
  files.start_id = static_cast<std::int32_t>(tokens.size());
  files.end_id = files.start_id + 1;
  tokens.insert(tokens.end(), {kStart, kEnd});
  SEMBLANCE_ASSERT(tokens.size() == static_cast<std::size_t>(kClipTokens));
  // The first tokenizer's files name the end a second time, as the padding, which is not
  // normalized.
  files.added = {{kStart, files.start_id, true}, {kEnd, files.end_id, encoder > 0}};
  files.pad_id = files.end_id;
  if (encoder > 0) {
    files.pad_id = 0;
    files.added.insert(files.added.begin(), {kPad, files.pad_id, false});
  }
  files.max_length = kLength;
  files.tokens = TokenTexts(tokens);
  return files;
}

}  // namespace semblance
