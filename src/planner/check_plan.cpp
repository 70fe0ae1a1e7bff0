// The checker plays the run: it keeps, for the arena, which content each range of bytes holds,
// writes as the nodes write, and sees that every read finds the content that it wants.
#include <algorithm>
#include <map>

#include "planner/plan.h"

namespace semblance {
namespace {

/// Ranges of the arena and what was last written there. Contents are numbered.
class Ledger {
 public:
  void write(const Place& place, int content) {
    if (place.bytes == 0) return;
    split(place.offset);
    split(place.offset + place.bytes);
    ranges_.erase(ranges_.lower_bound(place.offset),
                  ranges_.lower_bound(place.offset + place.bytes));
    ranges_[place.offset] = {place.offset + place.bytes, content};
  }
  bool holds(const Place& place, int content) const {
    std::uint64_t at = place.offset;
    const std::uint64_t end = place.offset + place.bytes;
    while (at < end) {
      auto range = ranges_.upper_bound(at);
      if (range == ranges_.begin()) return false;
      --range;
      if (range->second.end <= at || range->second.content != content) return false;
      at = range->second.end;
    }
    return true;
  }

 private:
  struct Range {
    std::uint64_t end;
    int content;
  };
  void split(std::uint64_t at) {
    auto range = ranges_.upper_bound(at);
    if (range == ranges_.begin()) return;
    --range;
    if (range->first < at && at < range->second.end) {
      const Range tail = range->second;
      range->second.end = at;
      ranges_[at] = tail;
    }
  }
  std::map<std::uint64_t, Range> ranges_;
};

bool inside(const Place& place, std::uint64_t region) {
  return place.offset % kPlaceAlignment == 0 && place.bytes <= region &&
         place.offset <= region - place.bytes;
}

bool overlap(const Place& a, const Place& b) {
  return a.bytes > 0 && b.bytes > 0 && a.offset < b.offset + b.bytes &&
         b.offset < a.offset + a.bytes;
}

[[noreturn]] void wrong(std::size_t node, const Graph& graph, std::string_view what) {
  fail(ErrorKind::kInternal, "internal error: the plan is wrong at node {} ({}): {}", node,
       name_of(graph.nodes()[node].op), what);
}

}  // namespace

void check_plan(const Graph& graph, const std::vector<NodeNeeds>& needs, const Plan& plan) {
  SEMBLANCE_ASSERT(plan.values.size() == graph.values().size() &&
                   plan.scratch.size() == graph.nodes().size() &&
                   needs.size() == graph.nodes().size());
  // What value the bytes of a view are: views share their source's content.
  std::vector<int> content(graph.values().size());
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<int>(i);
  for (const Node& node : graph.nodes()) {
    if (std::holds_alternative<Reshape>(node.op)) {
      content[static_cast<std::size_t>(node.dst)] = content[static_cast<std::size_t>(node.src[0])];
    }
  }
  constexpr int kScratchContent = -1;
  const auto weight_content = [](std::size_t use) { return -2 - static_cast<int>(use); };

  Ledger arena;
  for (std::size_t i = 0; i < graph.values().size(); ++i) {
    const ValueInfo& value = graph.values()[i];
    if (value.kind == ValueKind::kWeight) continue;
    SEMBLANCE_ASSERT(plan.values[i].bytes == value.type.bytes() &&
                     inside(plan.values[i], plan.arena_bytes));
    if (value.kind == ValueKind::kInput) arena.write(plan.values[i], content[i]);
  }
  std::vector<Place> residents;
  std::size_t next_use = 0;
  for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    const Place& dst = plan.values[static_cast<std::size_t>(node.dst)];
    const int over = std::visit([](const auto& op) { return op.may_overwrite(); }, node.op);
    const bool view = std::holds_alternative<Reshape>(node.op);
    if (!inside(plan.scratch[n], plan.arena_bytes) ||
        plan.scratch[n].bytes < needs[n].scratch_bytes)
      wrong(n, graph, "its scratch");
    arena.write(plan.scratch[n], kScratchContent);
    const std::size_t first_use = next_use;
    for (; next_use < plan.weights.size() && plan.weights[next_use].node == static_cast<int>(n);
         ++next_use) {
      const WeightUse& use = plan.weights[next_use];
      if (use.place.bytes < needs[n].weight_bytes[static_cast<std::size_t>(use.src)])
        wrong(n, graph, "a weight's place is too small");
      if (!inside(use.place, use.resident ? plan.resident_bytes : plan.arena_bytes))
        wrong(n, graph, "a weight lies outside");
      if (use.resident) {
        residents.push_back(use.place);
      } else {
        if (overlap(use.place, plan.scratch[n]) || overlap(use.place, dst))
          wrong(n, graph, "a streamed weight is overwritten");
        arena.write(use.place, weight_content(next_use));
      }
    }
    for (std::size_t i = 0; i < node.src.size(); ++i) {
      const auto value = static_cast<std::size_t>(node.src[i]);
      if (graph.values()[value].kind == ValueKind::kWeight) continue;
      if (!arena.holds(plan.values[value], content[value]))
        wrong(n, graph, fmt::format("source {} was overwritten", i));
      const bool same_place =
          plan.values[value].offset == dst.offset && static_cast<int>(i) == over;
      if (!view && overlap(plan.values[value], dst) && !same_place)
        wrong(n, graph, fmt::format("the result lies on source {}", i));
    }
    for (std::size_t use = first_use; use < next_use; ++use) {
      if (!plan.weights[use].resident && !arena.holds(plan.weights[use].place, weight_content(use)))
        wrong(n, graph, "a weight was overwritten");
    }
    std::size_t wanted = 0;
    for (std::uint64_t bytes : needs[n].weight_bytes) wanted += bytes > 0 ? 1 : 0;
    if (next_use - first_use != wanted) wrong(n, graph, "a weight has no place");
    if (overlap(dst, plan.scratch[n])) wrong(n, graph, "the result lies on scratch");
    if (view) {
      if (dst.offset != plan.values[static_cast<std::size_t>(node.src[0])].offset)
        wrong(n, graph, "a view lies elsewhere");
    } else {
      arena.write(dst, content[static_cast<std::size_t>(node.dst)]);
    }
  }
  for (std::size_t i = 0; i < graph.values().size(); ++i) {
    if (graph.values()[i].kind == ValueKind::kInput && !arena.holds(plan.values[i], content[i])) {
      fail(ErrorKind::kInternal, "internal error: the plan overwrites input {}",
           graph.values()[i].name);
    }
  }
  for (const auto& [name, value] : graph.outputs()) {
    const auto index = static_cast<std::size_t>(value);
    if (graph.values()[index].kind != ValueKind::kWeight &&
        !arena.holds(plan.values[index], content[index])) {
      fail(ErrorKind::kInternal, "internal error: the plan overwrites output {}", name);
    }
  }
  std::sort(residents.begin(), residents.end(),
            [](const Place& a, const Place& b) { return a.offset < b.offset; });
  for (std::size_t i = 1; i < residents.size(); ++i)
    SEMBLANCE_ASSERT(!overlap(residents[i - 1], residents[i]));
}

}  // namespace semblance
