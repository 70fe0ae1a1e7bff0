#include "sampling/brownian_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace semblance {
namespace {

/// Python's round(value, 6): rounds the exact decimal value.
double rounded(double value) {
  const std::string text = fmt::format("{:.6f}", value);
  double result = 0;
  std::from_chars(text.data(), text.data() + text.size(), result);
  return result;
}

/// numpy's hash of one word. The constant changes with every call.
class Hash {
 public:
  Hash(std::uint32_t constant, std::uint32_t factor) : constant_(constant), factor_(factor) {}
  std::uint32_t operator()(std::uint32_t value) {
    value ^= constant_;
    constant_ *= factor_;
    value *= constant_;
    return value ^ value >> 16;
  }

 private:
  std::uint32_t constant_;
  std::uint32_t factor_;
};

void mix(std::uint32_t& word, std::uint32_t other) {
  word = 0xca01f9ddU * word - 0x4973f715U * other;
  word ^= word >> 16;
}

/// Appends a number's 32-bit words, lowest first, without leading zeros.
void append_words(std::vector<std::uint32_t>& words, std::uint64_t number) {
  words.push_back(static_cast<std::uint32_t>(number));
  if (number >> 32 != 0) words.push_back(static_cast<std::uint32_t>(number >> 32));
}

}  // namespace

std::uint32_t seed_sequence(std::uint64_t seed, std::span<const std::uint64_t> spawn) {
  constexpr std::size_t kPool = 24;
  std::vector<std::uint32_t> entropy;
  append_words(entropy, seed);
  entropy.resize(kPool);  // padded with zeros before the spawn key
  for (const std::uint64_t number : spawn) append_words(entropy, number);

  Hash hash(0x43b0d7e5U, 0x931e8875U);
  std::array<std::uint32_t, kPool> pool{};
  for (std::size_t i = 0; i < kPool; ++i) pool[i] = hash(entropy[i]);
  for (std::size_t from = 0; from < kPool; ++from) {
    for (std::size_t to = 0; to < kPool; ++to) {
      if (from != to) mix(pool[to], hash(pool[from]));
    }
  }
  for (std::size_t from = kPool; from < entropy.size(); ++from) {
    for (std::uint32_t& word : pool) mix(word, hash(entropy[from]));
  }
  return Hash(0x8b51f9ddU, 0x58f38dedU)(pool[0]);
}

/// An interval of the tree that halves [least, largest] recursively. The children's keys are
/// 2 key and 2 key + 1.
struct BrownianTree::Node {
  double start = 0;
  double end = 0;
  std::uint64_t key = 0;
  std::uint64_t depth = 0;

  Node left(double middle) const { return {start, middle, 2 * key, depth + 1}; }
  Node right(double middle) const { return {middle, end, 2 * key + 1, depth + 1}; }
};

struct BrownianTree::Scratch {
  std::span<float> normals;
  std::span<float> other;  // the right half's increment
};

BrownianTree::BrownianTree(std::uint64_t seed, float least, float largest, Normals normals)
    : seed_(seed), least_(least), largest_(largest), normals_(std::move(normals)) {
  SEMBLANCE_ASSERT(least < largest);
}

/// Adds the increment over [from, to], a part of the node, to dst. `increment` holds the node's own
/// increment and is overwritten.
void BrownianTree::add(Node node, std::span<float> increment, double from, double to,
                       std::span<float> dst, const Scratch& scratch) const {
  const std::span<float> normals = scratch.normals;
  while (from != node.start || to != node.end) {
    SEMBLANCE_ASSERT(node.depth < 64);
    const double middle = rounded(0.5 * (node.end + node.start));
    // Brownian bridge. torch converts each Python number to float32 on its own.
    const double inverse = 1 / (node.end - node.start);
    const double ahead = middle - node.start;
    const auto share = static_cast<float>(ahead);
    const auto over = static_cast<float>(inverse);
    const auto deviation = static_cast<float>(std::sqrt(ahead * (node.end - middle) * inverse));
    normals_(seed_sequence(seed_, std::array{node.key, node.depth}), normals);
    const auto left = [&](std::size_t i) {
      return share * increment[i] * over + deviation * normals[i];
    };
    if (to <= middle) {
      for (std::size_t i = 0; i < dst.size(); ++i) increment[i] = left(i);
      node = node.left(middle);
    } else if (from >= middle) {
      for (std::size_t i = 0; i < dst.size(); ++i) increment[i] -= left(i);
      node = node.right(middle);
    } else if (to == node.end) {  // the whole right half
      for (std::size_t i = 0; i < dst.size(); ++i) {
        const float part = left(i);
        dst[i] += increment[i] - part;
        increment[i] = part;
      }
      node = node.left(middle);
      to = middle;
    } else if (from == node.start) {  // the whole left half
      for (std::size_t i = 0; i < dst.size(); ++i) {
        const float part = left(i);
        dst[i] += part;
        increment[i] -= part;
      }
      node = node.right(middle);
      from = middle;
    } else {  // Happens once: each half reaches one of its ends.
      const std::span<float> other = scratch.other;
      for (std::size_t i = 0; i < dst.size(); ++i) {
        const float part = left(i);
        other[i] = increment[i] - part;
        increment[i] = part;
      }
      add(node.left(middle), increment, from, middle, dst, scratch);
      add(node.right(middle), other, middle, to, dst, scratch);
      return;
    }
  }
  for (std::size_t i = 0; i < dst.size(); ++i) dst[i] += increment[i];
}

void BrownianTree::between(NoiseSpan span, std::span<float> dst, std::span<float> scratch) const {
  const std::size_t size = dst.size();
  SEMBLANCE_ASSERT(scratch.size() >= kScratch * size);
  const Node root{.start = rounded(least_), .end = rounded(largest_)};
  const auto inside = [&](float level) {
    return rounded(std::clamp(static_cast<double>(level), root.start, root.end));
  };
  const double from = inside(std::min(span.from, span.to));
  const double to = inside(std::max(span.from, span.to));
  std::ranges::fill(dst, 0.0F);
  if (!(from < to)) return;
  const std::span<float> increment = scratch.first(size);
  normals_(seed_sequence(seed_, {}), increment);
  const auto deviation = static_cast<float>(std::sqrt(largest_ - least_));
  for (float& value : increment) value *= deviation;
  add(root, increment, from, to, dst,
      {scratch.subspan(size, size), scratch.subspan(2 * size, size)});
  const float length = std::sqrt(std::fabs(span.to - span.from));
  const float sign = span.from < span.to ? 1 : -1;
  for (float& value : dst) value = value * sign / length;
}

}  // namespace semblance
