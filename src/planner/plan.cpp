#include "planner/plan.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace semblance {
namespace {

constexpr int kForever = std::numeric_limits<int>::max();

std::uint64_t aligned(std::uint64_t bytes) {
  return (bytes + kPlaceAlignment - 1) / kPlaceAlignment * kPlaceAlignment;
}

/// Something that needs a place in the arena while nodes [first, last] run.
struct Block {
  std::uint64_t bytes = 0;
  int first = 0;
  int last = 0;
  std::uint64_t offset = 0;
};

/// Which value's place each value lies in, and while which nodes each such place is needed.
struct Lifetimes {
  std::vector<ValueId> root;
  std::vector<int> first;  // by root
  std::vector<int> last;
};

Lifetimes lifetimes_of(const Graph& graph) {
  const auto count = graph.values().size();
  Lifetimes life{std::vector<ValueId>(count), std::vector<int>(count, -1),
                 std::vector<int>(count, -1)};
  std::iota(life.root.begin(), life.root.end(), 0);
  const auto root_of = [&](ValueId value) { return life.root[static_cast<std::size_t>(value)]; };
  const auto last_of = [&](ValueId root) -> int& {
    return life.last[static_cast<std::size_t>(root)];
  };
  for (std::size_t i = 0; i < count; ++i) {
    if (graph.values()[i].kind == ValueKind::kInput) life.last[i] = kForever;
  }

  // First the views, whose place is their source's; then last uses; then results that may overwrite
  // a dying source.
  const auto nodes = static_cast<int>(graph.nodes().size());
  for (int n = 0; n < nodes; ++n) {
    const Node& node = graph.nodes()[static_cast<std::size_t>(n)];
    if (std::holds_alternative<Reshape>(node.op))
      life.root[static_cast<std::size_t>(node.dst)] = root_of(node.src[0]);
  }
  for (int n = 0; n < nodes; ++n) {
    const Node& node = graph.nodes()[static_cast<std::size_t>(n)];
    for (ValueId value : node.src) last_of(root_of(value)) = std::max(last_of(root_of(value)), n);
    if (root_of(node.dst) == node.dst) life.first[static_cast<std::size_t>(node.dst)] = n;
    last_of(root_of(node.dst)) = std::max(last_of(root_of(node.dst)), n);
  }
  for (const auto& [name, value] : graph.outputs()) last_of(root_of(value)) = kForever;

  // Merging in the order of nodes: `merged` maps a root to the older place that it took over.
  std::vector<ValueId> merged(count);
  std::iota(merged.begin(), merged.end(), 0);
  const auto place_of = [&](ValueId value) {
    return merged[static_cast<std::size_t>(root_of(value))];
  };
  for (int n = 0; n < nodes; ++n) {
    const Node& node = graph.nodes()[static_cast<std::size_t>(n)];
    if (std::holds_alternative<Reshape>(node.op)) continue;
    const int over = std::visit([](const auto& op) { return op.may_overwrite(); }, node.op);
    if (over < 0) continue;
    const ValueId src = node.src[static_cast<std::size_t>(over)];
    if (graph.values()[static_cast<std::size_t>(src)].kind != ValueKind::kResult ||
        !(graph.type(src) == graph.type(node.dst)))
      continue;
    const ValueId place = place_of(src);
    if (last_of(place) != n) continue;
    bool shared = false;
    for (std::size_t i = 0; i < node.src.size(); ++i) {
      if (static_cast<int>(i) != over && place_of(node.src[i]) == place) shared = true;
    }
    if (shared) continue;
    merged[static_cast<std::size_t>(node.dst)] = place;
    last_of(place) = last_of(node.dst);
  }
  for (ValueId& root : life.root) root = merged[static_cast<std::size_t>(root)];
  return life;
}

/// Gives every block the lowest offset at which it meets no other that lives at the same time; the
/// largest first. Returns the bytes that all of them need.
std::uint64_t place_blocks(std::vector<Block>& blocks) {
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return blocks[a].bytes > blocks[b].bytes; });
  std::vector<const Block*> placed;  // by offset
  std::uint64_t total = 0;
  for (std::size_t index : order) {
    Block& block = blocks[index];
    if (block.bytes == 0) continue;
    std::uint64_t offset = 0;
    for (const Block* other : placed) {
      if (other->first > block.last || other->last < block.first) continue;
      if (other->offset >= offset + block.bytes) break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    block.offset = offset;
    total = std::max(total, offset + block.bytes);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), &block,
                         [](const Block* a, const Block* b) { return a->offset < b->offset; }),
        &block);
  }
  return total;
}

void choose_resident(Plan& plan, std::uint64_t limit_bytes) {
  std::vector<WeightUse*> order;
  for (WeightUse& use : plan.weights) order.push_back(&use);
  std::stable_sort(order.begin(), order.end(), [](const WeightUse* a, const WeightUse* b) {
    return a->place.bytes < b->place.bytes;
  });
  for (WeightUse* use : order) {
    if (use->place.bytes > limit_bytes - plan.resident_bytes) break;
    use->resident = true;
    use->place.offset = plan.resident_bytes;
    plan.resident_bytes += use->place.bytes;
  }
}

}  // namespace

Plan make_plan(const Graph& graph, const std::vector<NodeNeeds>& needs,
               std::uint64_t resident_limit_bytes) {
  SEMBLANCE_ASSERT(needs.size() == graph.nodes().size());
  Plan plan;
  for (std::size_t n = 0; n < needs.size(); ++n) {
    for (std::size_t i = 0; i < needs[n].weight_bytes.size(); ++i) {
      const std::uint64_t bytes = aligned(needs[n].weight_bytes[i]);
      if (bytes > 0)
        plan.weights.push_back({static_cast<int>(n), static_cast<int>(i), false, {0, bytes}});
    }
  }
  choose_resident(plan, resident_limit_bytes);

  const Lifetimes life = lifetimes_of(graph);
  std::vector<Block> blocks;
  std::vector<std::size_t> block_of_root(graph.values().size());
  for (std::size_t i = 0; i < graph.values().size(); ++i) {
    if (graph.values()[i].kind == ValueKind::kWeight || life.root[i] != static_cast<ValueId>(i))
      continue;
    block_of_root[i] = blocks.size();
    blocks.push_back(
        {aligned(graph.type(static_cast<ValueId>(i)).bytes()), life.first[i], life.last[i], 0});
  }
  const std::size_t first_scratch = blocks.size();
  for (std::size_t n = 0; n < needs.size(); ++n) {
    blocks.push_back(
        {aligned(needs[n].scratch_bytes), static_cast<int>(n), static_cast<int>(n), 0});
  }
  const std::size_t first_streamed = blocks.size();
  for (const WeightUse& use : plan.weights) {
    if (!use.resident) blocks.push_back({use.place.bytes, use.node, use.node, 0});
  }
  plan.arena_bytes = place_blocks(blocks);

  plan.values.resize(graph.values().size());
  for (std::size_t i = 0; i < graph.values().size(); ++i) {
    if (graph.values()[i].kind == ValueKind::kWeight) continue;
    const Block& block = blocks[block_of_root[static_cast<std::size_t>(life.root[i])]];
    plan.values[i] = {block.offset, graph.type(static_cast<ValueId>(i)).bytes()};
  }
  for (std::size_t n = 0; n < needs.size(); ++n) {
    plan.scratch.push_back({blocks[first_scratch + n].offset, needs[n].scratch_bytes});
  }
  std::size_t streamed = first_streamed;
  for (WeightUse& use : plan.weights) {
    if (!use.resident) use.place.offset = blocks[streamed++].offset;
  }
  return plan;
}

}  // namespace semblance
