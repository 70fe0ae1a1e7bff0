#include "planner/make_plan.h"

#include <algorithm>
#include <deque>
#include <map>

#include "core/integers.h"
#include "memory/base_memory.h"
#include "planner/place.h"

namespace semblance {
namespace {

/// Places of at least this size are whole pages, so that they can be written to and read from the
/// file without a copy.
constexpr std::uint64_t kPagedFrom = 64 * 1024;

std::uint64_t aligned(std::uint64_t bytes) {
  return round_up(bytes, bytes >= kPagedFrom ? kFileAlignment : kPlaceAlignment);
}

void find_weights(const Lowered& program, const std::vector<NodeNeeds>& needs, Plan& plan) {
  struct Open {
    int use;
    int epoch;
  };
  std::map<std::pair<ValueId, std::uint64_t>, Open> open;
  for (std::size_t n = 0; n < needs.size(); ++n) {
    for (std::size_t i = 0; i < needs[n].src.size(); ++i) {
      const WeightNeeds& need = needs[n].src[i];
      if (need.packed_bytes == 0) continue;
      const ValueId weight = program.graph.nodes()[n].src[i];
      const auto index = static_cast<int>(n);
      auto [found, added] = open.try_emplace({weight, need.layout}, Open{-1, -1});
      if (added || found->second.epoch != program.epoch[n]) {
        found->second = {static_cast<int>(plan.weights.size()), program.epoch[n]};
        plan.weights.push_back({weight, index, index, index, need, Keep::kStreamed, {}});
      }
      plan.weights[at(found->second.use)].last_node = index;
      plan.node_weights.push_back({index, static_cast<int>(i), found->second.use});
    }
  }
}

/// Weights that only nodes which run once use.
void find_once(Plan& plan) {
  std::vector<bool> stays(plan.weights.size());
  for (const NodeWeight& weight : plan.node_weights) {
    if (!plan.runs_once[at(weight.node)]) stays[at(weight.use)] = true;
  }
  for (std::size_t i = 0; i < plan.weights.size(); ++i) {
    if (!stays[i]) plan.weights[i].keep = Keep::kOnce;
  }
}

/// Smallest first: for the same bytes saved, this serves more nodes.
void choose_resident(Plan& plan, std::uint64_t limit_bytes) {
  std::map<std::pair<ValueId, std::uint64_t>, std::vector<WeightUse*>> uses;
  for (WeightUse& use : plan.weights) {
    if (use.keep == Keep::kStreamed) uses[{use.weight, use.needs.layout}].push_back(&use);
  }
  std::vector<const std::vector<WeightUse*>*> order;
  order.reserve(uses.size());
  for (const auto& [key, same] : uses) order.push_back(&same);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return (*a)[0]->needs.packed_bytes < (*b)[0]->needs.packed_bytes;
  });
  for (const auto* same : order) {
    const std::uint64_t bytes = aligned((*same)[0]->needs.packed_bytes);
    if (plan.slab_bytes > 0) {
      if (bytes > plan.slab_bytes) break;
      const std::uint64_t left = plan.slab_bytes - plan.resident_bytes % plan.slab_bytes;
      if (bytes > left) {
        if (left > limit_bytes - plan.resident_bytes) break;
        plan.resident_bytes += left;
      }
    }
    if (bytes > limit_bytes - plan.resident_bytes) break;
    for (WeightUse* use : *same) {
      use->keep = Keep::kPacked;
      use->packed = {plan.resident_bytes, use->needs.packed_bytes};
    }
    plan.resident_bytes += bytes;
  }
}

/// Copies take this much longer than the rates predict, so that an upload that is a little late
/// does not stop the computation.
constexpr double kUploadMargin = 1.25;

/// Uploads run one after the other in the order of use. Each begins as late as possible, but early
/// enough that it and those after it end before they are needed.
void choose_latest_uploads(Plan& plan, const std::vector<NodeNeeds>& needs, double rate) {
  std::vector<double> begins{0};  // by node: seconds from the run's begin
  for (const NodeNeeds& node : needs) begins.push_back(begins.back() + node.seconds);
  double next_begin = begins.back();
  for (auto use = plan.weights.rbegin(); use != plan.weights.rend(); ++use) {
    if (use->keep != Keep::kStreamed) continue;
    const double end = std::min(next_begin, begins[at(use->first_node)]);
    next_begin = end - kUploadMargin * static_cast<double>(use->needs.packed_bytes) / rate;
    const auto after = std::upper_bound(begins.begin(), begins.end(), std::max(next_begin, 0.0));
    const auto node = static_cast<int>(after - begins.begin()) - 1;
    use->loaded_from = std::min(node, use->first_node);
  }
}

/// Puts uploads off until not more than the limit is in the arena before its use. They still begin
/// in the order of use.
void limit_uploads(Plan& plan, std::uint64_t limit_bytes) {
  std::deque<const WeightUse*> ahead;
  std::uint64_t bytes = 0;
  int from = 0;
  for (WeightUse& use : plan.weights) {
    if (use.keep != Keep::kStreamed) continue;
    from = std::max(from, use.loaded_from);
    const auto drop_first = [&] {
      bytes -= aligned(ahead.front()->needs.packed_bytes);
      ahead.pop_front();
    };
    while (!ahead.empty() && ahead.front()->first_node <= from) drop_first();
    bytes += aligned(use.needs.packed_bytes);
    ahead.push_back(&use);
    while (bytes > limit_bytes && !ahead.empty()) {
      from = std::max(from, ahead.front()->first_node);
      drop_first();
    }
    use.loaded_from = from;
  }
}

/// For each Spill, the first later node that may write to its source's place.
std::vector<int> find_spilled_before(const Lowered& program, const Sharing& sharing) {
  const auto& nodes = program.graph.nodes();
  std::vector<int> before(nodes.size(), 0);
  std::map<ValueId, std::vector<int>> writes;  // by root
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    if (!sharing.is_view[n] && !sharing.in_file[at(nodes[n].dst)])
      writes[sharing.root[at(nodes[n].dst)]].push_back(static_cast<int>(n));
  }
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    if (!std::holds_alternative<Spill>(nodes[n].op)) continue;
    const ValueId src = nodes[n].src[0];
    const ValueId root = sharing.root[at(src)];
    const std::uint64_t begin = sharing.offset[at(src)];
    const std::uint64_t end = begin + program.graph.type(src).bytes();
    int first = sharing.last[at(root)] == kForever ? kForever : sharing.last[at(root)] + 1;
    for (int other : writes[root]) {
      const ValueId dst = nodes[at(other)].dst;
      const std::uint64_t offset = sharing.offset[at(dst)];
      if (other > static_cast<int>(n) && offset < end &&
          begin < offset + program.graph.type(dst).bytes()) {
        first = std::min(first, other);
        break;
      }
    }
    before[n] = first;
  }
  return before;
}

}  // namespace

ReadingBytes reading_bytes(const std::vector<NodeNeeds>& needs) {
  ReadingBytes bytes;
  for (const NodeNeeds& node : needs) {
    for (const WeightNeeds& weight : node.src) {
      if (weight.packed_bytes == 0) continue;
      bytes.ring = std::max(bytes.ring, aligned(weight.raw_bytes));
      bytes.staging = std::max(bytes.staging, weight.staging_bytes);
    }
  }
  return bytes;
}

Plan make_plan(const Lowered& program, const std::vector<NodeNeeds>& needs,
               const PlanChoices& choices) {
  const Graph& graph = program.graph;
  SEMBLANCE_ASSERT(needs.size() == graph.nodes().size() && program.epoch.size() == needs.size());
  Plan plan;
  plan.slab_bytes = choices.slab_bytes;
  find_weights(program, needs, plan);
  Sharing sharing = find_sharing(program, needs, choices.steady_inputs);
  plan.runs_once = std::move(sharing.runs_once);
  find_once(plan);
  choose_resident(plan, choices.resident_limit_bytes);
  if (choices.upload_rate > 0) {
    choose_latest_uploads(plan, needs, choices.upload_rate);
    limit_uploads(plan, choices.ahead_limit_bytes);
  }

  plan.in_file = sharing.in_file;
  plan.is_view = sharing.is_view;
  plan.spilled_before = find_spilled_before(program, sharing);

  std::vector<Block> memory;
  std::vector<Block> file;
  std::vector<std::size_t> block_of(graph.values().size());
  for (std::size_t i = 0; i < graph.values().size(); ++i) {
    if (graph.values()[i].kind == ValueKind::kWeight || sharing.root[i] != static_cast<ValueId>(i))
      continue;
    const std::uint64_t bytes = graph.values()[i].type.bytes();
    std::vector<Block>& blocks = sharing.in_file[i] ? file : memory;
    block_of[i] = blocks.size();
    blocks.push_back({sharing.in_file[i] ? round_up(bytes, kFileAlignment) : aligned(bytes),
                      sharing.first[i], sharing.last[i], 0});
  }
  const std::size_t first_scratch = memory.size();
  for (std::size_t n = 0; n < needs.size(); ++n) {
    const auto index = static_cast<int>(n);
    const std::uint64_t bytes = sharing.is_view[n] ? 0 : needs[n].scratch_bytes;
    memory.push_back({aligned(bytes), index, index, 0});
  }
  const std::size_t first_weight = memory.size();
  for (const WeightUse& use : plan.weights) {
    const std::uint64_t bytes = use.keep == Keep::kPacked ? 0 : use.needs.packed_bytes;
    memory.push_back({aligned(bytes), use.loaded_from, use.last_node, 0});
  }
  plan.arena_bytes = place_blocks(memory);
  plan.file_bytes = place_blocks(file);
  // Resident weights are also read through the ring.
  const ReadingBytes least = reading_bytes(needs);
  plan.staging_bytes = least.staging;
  plan.tables_bytes = graph.nodes().size() * kNodeBytes;
  plan.ring_bytes =
      std::max(least.ring, std::min(choices.ring_limit_bytes, choices.ring_depth * least.ring));

  plan.values.resize(graph.values().size());
  for (std::size_t i = 0; i < graph.values().size(); ++i) {
    if (graph.values()[i].kind == ValueKind::kWeight) continue;
    const std::size_t root = at(sharing.root[i]);
    const Block& block = (sharing.in_file[i] ? file : memory)[block_of[root]];
    plan.values[i] = {block.offset + sharing.offset[i], graph.values()[i].type.bytes()};
  }
  for (std::size_t n = 0; n < needs.size(); ++n) {
    plan.scratch.push_back(
        {memory[first_scratch + n].offset, sharing.is_view[n] ? 0 : needs[n].scratch_bytes});
  }
  for (std::size_t i = 0; i < plan.weights.size(); ++i) {
    WeightUse& use = plan.weights[i];
    if (use.keep != Keep::kPacked)
      use.packed = {memory[first_weight + i].offset, use.needs.packed_bytes};
  }
  return plan;
}

}  // namespace semblance
