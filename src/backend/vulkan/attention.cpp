#include <algorithm>
#include <bit>
#include <cmath>

#include "backend/vulkan/launch.h"
#include "backend/vulkan/vulkan.h"

namespace semblance::vulkan {
namespace {

/// Constants of attention.comp.
struct Blocks {
  static constexpr std::uint32_t kThreads = 128;
  static constexpr std::uint32_t kKeys = 32;      // BC
  static constexpr std::uint32_t kChannels = 32;  // BD
  std::uint32_t queries = 0;                      // BR
  std::uint32_t side_by_side = 0;                 // TX
  std::uint32_t columns = 0;
  std::uint32_t value_rows = 0;

  /// For heads of e channels of v. A narrow head's queries share the work, a wide one's results
  /// fill the registers of few.
  explicit Blocks(std::uint32_t e) {
    const std::uint32_t fours = (e + 3) / 4;
    queries = e > 128 ? 16 : 64;
    const std::uint32_t fewest = kThreads / queries;  // at most one row for each invocation
    side_by_side = std::clamp(std::bit_ceil(fours), fewest, e > 128 ? 64U : 16U);
    columns = (fours + side_by_side - 1) / side_by_side * 4;
    const std::uint32_t width = side_by_side * columns;
    value_rows = kKeys;
    while (value_rows > 1 && value_rows * width > 3072) value_rows /= 2;
  }
  std::uint64_t shared_bytes() const {
    const std::uint64_t keys = kChannels * (queries + 2 + kKeys + 2);
    const std::uint64_t values = std::uint64_t{value_rows} * side_by_side * columns;
    return (std::max(keys, values) + queries * (kKeys + 1) + 2 * queries) * sizeof(float);
  }
};

// Results of one invocation that fit its registers.
constexpr std::int64_t kMostWidth = 512;

std::string why_not_attention(const NodeView& node, const Device& device, std::int64_t d,
                              std::int64_t e) {
  for (int i = 0; i < 3; ++i) {
    std::string why_not = why_not_stored(node, device, i);
    if (!why_not.empty()) return why_not;
    if (node.src(i).dtype != node.src(0).dtype) return "q, k and v have different types";
    if (node.src(i).shape.elements() == 0) return "q, k or v is empty";
  }
  if (e > kMostWidth) return fmt::format("heads of {} channels; at most {}", e, kMostWidth);
  if (d > std::int64_t{1} << 16) return fmt::format("heads of {} channels of q and k", d);
  const VulkanFacts& facts = facts_of(device);
  if (node.op<Attention>().heads > facts.most_groups[1] ||
      node.src(0).shape[0] > facts.most_groups[2])
    return "more heads or pictures than the card launches work groups";
  return "";
}

float scale_of(const NodeView& node, std::int64_t d) {
  const float scale = node.op<Attention>().scale;
  return scale != 0.0F ? scale : static_cast<float>(1.0 / std::sqrt(static_cast<double>(d)));
}

/// Constants of attention_matrix.comp, for heads of d channels.
struct MatrixBlocks {
  static constexpr std::uint32_t kRows = 16;  // of a subgroup
  static constexpr std::int64_t kMostWidth = 128;
  std::uint32_t d = 0;
  std::uint32_t queries = 0;

  explicit MatrixBlocks(std::uint32_t channels) : d(channels), queries(channels > 64 ? 32 : 64) {}
  std::uint32_t subgroups() const { return queries / kRows; }
  std::uint64_t shared_bytes() const {
    constexpr std::uint64_t kKeys = 32, kHalf = 2, kFloat = 4, kParts = 4;
    return (queries + kKeys) * (d + 8) * kHalf + queries * (kKeys + 4) * kFloat +
           queries * (kKeys + 8) * kHalf + queries * (2 * kParts + 2) * kFloat;
  }
};

std::string why_not_matrix_attention(const NodeView& node, const Device& device, std::int64_t d,
                                     std::int64_t e) {
  std::string why_not = why_not_attention(node, device, d, e);
  if (!why_not.empty()) return why_not;
  if (node.src(0).dtype != DType::kF16) return "q, k and v are not f16";
  if (d != e || d % 16 != 0 || d > MatrixBlocks::kMostWidth)
    return fmt::format(
        "heads of {} and {} channels; this kernel needs one multiple of 16, at most {}", d, e,
        MatrixBlocks::kMostWidth);
  const VulkanFacts& facts = facts_of(device);
  why_not = why_not_matrices(facts);
  if (!why_not.empty()) return why_not;
  const MatrixBlocks blocks(word_of(d));
  return why_not_group(device, blocks.subgroups() * facts.subgroup_size, blocks.shared_bytes());
}

}  // namespace

Made make_matrix_attention(const NodeView& node, const Device& device) {
  const auto& op = node.op<Attention>();
  const Shape& q = node.src(0).shape;
  const Shape& v = node.src(2).shape;
  const std::int64_t d = q[2] / op.heads;
  std::string why_not = why_not_matrix_attention(node, device, d, v[2] / op.heads);
  if (!why_not.empty()) return decline(std::move(why_not));
  const VulkanFacts& facts = facts_of(device);
  const MatrixShape& shape = *matrix_shape(facts);
  const MatrixBlocks blocks(word_of(d));
  std::vector<Launch> launches{
      {&shader("attention_matrix"),
       words(blocks.subgroups() * facts.subgroup_size, blocks.queries, d, op.causal, shape.m,
             shape.n, shape.k),
       {Slot::of_src(0), Slot::of_src(1), Slot::of_src(2), Slot::of_dst()},
       words(q[1], v[1], op.heads, scale_of(node, d)),
       {word_of(divided_up(q[1], blocks.queries)), word_of(op.heads), word_of(q[0])},
       asked_subgroup_size(facts)}};
  return accept(std::make_unique<LaunchKernel>(node, std::move(launches)));
}

Made make_attention(const NodeView& node, const Device& device) {
  const auto& op = node.op<Attention>();
  const Shape& q = node.src(0).shape;
  const Shape& v = node.src(2).shape;
  const std::int64_t d = q[2] / op.heads;
  const std::int64_t e = v[2] / op.heads;
  if (std::string why_not = why_not_attention(node, device, d, e); !why_not.empty())
    return decline(std::move(why_not));
  const Blocks blocks(word_of(e));
  std::string why_not = why_not_group(device, Blocks::kThreads, blocks.shared_bytes());
  if (!why_not.empty()) return decline(std::move(why_not));
  std::vector<Launch> launches{
      {&shader("attention_" + suffix_of(node.src(0).dtype)),
       words(Blocks::kThreads, blocks.queries, d, e, blocks.side_by_side, blocks.columns,
             blocks.value_rows, d % 4 == 0 && e % 4 == 0, op.causal),
       {Slot::of_src(0), Slot::of_src(1), Slot::of_src(2), Slot::of_dst()},
       words(q[1], v[1], op.heads, scale_of(node, d)),
       {word_of(divided_up(q[1], blocks.queries)), word_of(op.heads), word_of(q[0])}}};
  return accept(std::make_unique<LaunchKernel>(node, std::move(launches)));
}

}  // namespace semblance::vulkan
