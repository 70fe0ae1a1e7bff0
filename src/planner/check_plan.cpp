// The checker simulates the run. It tracks the content of each byte of the arena and of the scratch
// file, writes what the nodes write, and checks that every read finds what it expects. The content
// of views, joins, spills and fetches is expressed in terms of what nodes computed, so that it does
// not matter how bytes reached the place where they are read.
#include "planner/check_plan.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "core/integers.h"
#include "graph/views.h"
#include "planner/ledger.h"

namespace semblance {
namespace {

bool inside(const Place& place, std::uint64_t region) {
  return place.bytes <= region && place.offset <= region - place.bytes;
}

bool overlap(const Place& a, const Place& b) {
  return a.bytes > 0 && b.bytes > 0 && a.offset < b.offset + b.bytes &&
         b.offset < a.offset + a.bytes;
}

bool is_aligned(const Place& place) {
  return place.bytes == 0 || place.offset % kPlaceAlignment == 0;
}

/// Channels with undefined content.
struct Channels {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

class Checker {
 public:
  Checker(const Graph& graph, const std::vector<NodeNeeds>& needs, const Plan& plan,
          const std::vector<std::string>& steady_inputs)
      : graph_(graph),
        needs_(needs),
        plan_(plan),
        steady_inputs_(steady_inputs),
        content_(graph.values().size()),
        undefined_(graph.values().size()) {}

  void run() {
    check_sizes();
    check_values();
    check_weights();
    for (std::size_t i = 0; i < graph_.values().size(); ++i) {
      if (graph_.values()[i].kind == ValueKind::kInput) set_input(static_cast<ValueId>(i));
    }
    play_all();
    if (std::ranges::find(plan_.runs_once, true) == plan_.runs_once.end()) return;
    check_steady();
    is_first_run_ = false;
    next_use_ = next_weight_ = 0;
    spills_.clear();
    fetches_.clear();
    play_all();
  }

 private:
  struct Pending {
    Place place;
    int before = 0;  // done before this node
    int node = 0;
  };

  void play_all() {
    for (node_ = 0; node_ < static_cast<int>(graph_.nodes().size()); ++node_) {
      const Node& node = graph_.nodes()[at(node_)];
      find_content(node);
      load_weights();
      if (plan_.is_view[at(node_)]) {
        check_silent(node);
      } else if (is_first_run_ || !runs_once(node_)) {
        play(node);
      }
    }
    check_end();
  }

  bool runs_once(int node) const { return !plan_.runs_once.empty() && plan_.runs_once[at(node)]; }

  /// What runs once must not depend on what changes from run to run.
  void check_steady() {
    std::vector<bool> changes(graph_.values().size());
    for (std::size_t i = 0; i < changes.size(); ++i) {
      const ValueInfo& value = graph_.values()[i];
      changes[i] = value.kind == ValueKind::kInput &&
                   std::ranges::find(steady_inputs_, value.name) == steady_inputs_.end();
    }
    for (node_ = 0; node_ < static_cast<int>(graph_.nodes().size()); ++node_) {
      const Node& node = graph_.nodes()[at(node_)];
      for (const ValueId src : node.src)
        if (changes[at(src)]) changes[at(node.dst)] = true;
      if (runs_once(node_) && changes[at(node.dst)])
        fail_here("it runs once, but its sources change from run to run");
      if (runs_once(node_) &&
          (plan_.is_view[at(node_)] || in_file(node.dst) || std::holds_alternative<Fetch>(node.op)))
        fail_here("only a kernel may run once");
    }
    for (const NodeWeight& weight : plan_.node_weights) {
      if (plan_.weights[at(weight.use)].keep == Keep::kOnce && !runs_once(weight.node))
        fail_plan("a weight is loaded once for a node that runs more often");
    }
  }

  [[noreturn]] void fail_here(std::string_view what) const {
    fail(ErrorKind::kInternal, "internal error: wrong plan at node {} ({}){}: {}", node_,
         name_of(graph_.nodes()[at(node_)].op), is_first_run_ ? "" : " of a later run", what);
  }
  [[noreturn]] static void fail_plan(std::string_view what) {
    fail(ErrorKind::kInternal, "internal error: wrong plan: {}", what);
  }

  const Place& place(ValueId value) const { return plan_.values[at(value)]; }
  bool in_file(ValueId value) const { return plan_.in_file[at(value)]; }
  bool is_weight(ValueId value) const {
    return graph_.values()[at(value)].kind == ValueKind::kWeight;
  }

  // ---- the plan as a whole

  void check_sizes() const {
    const std::size_t values = graph_.values().size();
    const std::size_t nodes = graph_.nodes().size();
    if (needs_.size() != nodes || plan_.values.size() != values || plan_.in_file.size() != values ||
        plan_.is_view.size() != nodes ||
        (!plan_.runs_once.empty() && plan_.runs_once.size() != nodes) ||
        plan_.scratch.size() != nodes || plan_.spilled_before.size() != nodes)
      fail_plan("it must have an entry for each value and node");
  }

  void check_values() const {
    for (std::size_t i = 0; i < graph_.values().size(); ++i) {
      const ValueInfo& value = graph_.values()[i];
      if (value.kind == ValueKind::kWeight) continue;
      if (plan_.values[i].bytes != value.type.bytes())
        fail_plan(fmt::format("value {} has a place of the wrong size", i));
      if (!inside(plan_.values[i], plan_.in_file[i] ? plan_.file_bytes : plan_.arena_bytes))
        fail_plan(fmt::format("value {} is outside its region", i));
      if (value.kind == ValueKind::kInput && !plan_.in_file[i] && !is_aligned(plan_.values[i]))
        fail_plan(fmt::format("input {} is not aligned", value.name));
    }
  }

  void check_weights() const {
    struct Resident {
      Place place;
      std::pair<ValueId, std::uint64_t> what;  // weight, layout
    };
    std::vector<Resident> residents;
    int last = 0;
    int loaded = 0;  // the last node from which a streamed one is loaded
    for (const WeightUse& use : plan_.weights) {
      if (use.first_node < last || use.last_node < use.first_node ||
          use.last_node >= static_cast<int>(graph_.nodes().size()))
        fail_plan("uses of weights are out of order");
      last = use.first_node;
      if (plan_.is_view[at(use.first_node)])
        fail_plan("a weight is packed for a node that does not run");
      if (use.loaded_from > use.first_node) fail_plan("a weight is loaded after its use");
      if (use.keep == Keep::kStreamed) {
        if (use.loaded_from < loaded) fail_plan("weights are not loaded in the order of use");
        loaded = use.loaded_from;
      }
      if (use.weight < 0 || at(use.weight) >= graph_.values().size() || !is_weight(use.weight))
        fail_plan("a weight use refers to a value that is not a weight");
      const bool stays = use.keep == Keep::kPacked;
      if (use.packed.bytes < use.needs.packed_bytes || !is_aligned(use.packed) ||
          !inside(use.packed, stays ? plan_.resident_bytes : plan_.arena_bytes))
        fail_plan("a weight is badly placed");
      if (stays && plan_.slab_bytes > 0 && use.packed.bytes > 0 &&
          use.packed.offset / plan_.slab_bytes !=
              (use.packed.offset + use.packed.bytes - 1) / plan_.slab_bytes)
        fail_plan("a weight that stays lies in two slabs");
      if (stays) residents.push_back({use.packed, {use.weight, use.needs.layout}});
      if (!stays && use.needs.raw_bytes > plan_.ring_bytes)
        fail_plan("a streamed weight does not fit in the ring");
    }
    std::sort(residents.begin(), residents.end(), [](const Resident& a, const Resident& b) {
      return std::tie(a.place.offset, a.place.bytes) < std::tie(b.place.offset, b.place.bytes);
    });
    Place before;
    for (std::size_t i = 0; i < residents.size(); ++i) {
      const Resident& now = residents[i];
      const bool same = i > 0 && residents[i - 1].what == now.what &&
                        before.offset == now.place.offset && before.bytes == now.place.bytes;
      if (!same && overlap(before, now.place)) fail_plan("resident weights overlap");
      before = now.place;
    }
    check_node_weights();
  }

  /// Every weight that a node needs must have one use, of that weight and packed as needed.
  void check_node_weights() const {
    std::size_t next = 0;
    for (std::size_t n = 0; n < graph_.nodes().size(); ++n) {
      const Node& node = graph_.nodes()[n];
      if (needs_[n].src.size() > node.src.size()) fail_plan("a node needs more than its sources");
      std::vector<int> found(node.src.size());
      for (;
           next < plan_.node_weights.size() && plan_.node_weights[next].node == static_cast<int>(n);
           ++next) {
        const NodeWeight& weight = plan_.node_weights[next];
        if (weight.src < 0 || at(weight.src) >= needs_[n].src.size() || weight.use < 0 ||
            at(weight.use) >= plan_.weights.size())
          fail_plan("a node refers to a weight use that does not exist");
        ++found[at(weight.src)];
        const WeightUse& use = plan_.weights[at(weight.use)];
        const WeightNeeds& need = needs_[n].src[at(weight.src)];
        if (use.weight != node.src[at(weight.src)] || use.needs.layout != need.layout ||
            use.needs.packed_bytes != need.packed_bytes || use.needs.raw_bytes != need.raw_bytes)
          fail_plan(fmt::format("node {} uses a weight other than its source", n));
        if (static_cast<int>(n) < use.first_node || static_cast<int>(n) > use.last_node)
          fail_plan(fmt::format("node {} uses a weight that is not in memory", n));
      }
      for (std::size_t i = 0; i < needs_[n].src.size(); ++i) {
        const int wanted = needs_[n].src[i].packed_bytes > 0 && !plan_.is_view[n] ? 1 : 0;
        if (found[i] != wanted)
          fail_plan(fmt::format("node {} must have each of its weights once", n));
      }
    }
    if (next != plan_.node_weights.size()) fail_plan("weights of nodes are out of order");
  }

  // ---- what values hold, according to the graph

  /// Content of a value that its own node computes.
  Content own(ValueId value) const {
    Content content;
    append(content, {value, 0, graph_.type(value).bytes()});
    return content;
  }
  int weight_origin(std::size_t use) const {
    return static_cast<int>(graph_.values().size() + use);
  }
  int scratch_origin() const {
    return static_cast<int>(graph_.values().size() + plan_.weights.size());
  }

  void find_content(const Node& node) {
    Content& content = content_[at(node.dst)];
    std::vector<Channels>& undefined = undefined_[at(node.dst)];
    content.clear();
    undefined.clear();
    const std::int64_t channels = channels_of(node.dst);
    const bool reads_weight =
        std::any_of(node.src.begin(), node.src.end(), [&](ValueId v) { return is_weight(v); });
    const auto offset =
        node.src.size() == 1 && !reads_weight ? view_offset_bytes(graph_, node) : std::nullopt;
    const bool joins = !reads_weight && is_join(graph_, node);
    if (offset) {
      content = range_of(content_[at(node.src[0])], static_cast<std::uint64_t>(*offset),
                         graph_.type(node.dst).bytes());
    } else if (joins) {
      for (ValueId src : node.src) {
        for (const ContentPiece& piece : content_[at(src)]) append(content, piece);
      }
    } else if (std::holds_alternative<Spill>(node.op) || std::holds_alternative<Fetch>(node.op)) {
      content = content_[at(node.src[0])];
    } else {
      content = own(node.dst);
    }
    if (offset || joins) {
      for (ValueId src : node.src) {
        if (!undefined_[at(src)].empty()) undefined = {{0, channels}};
      }
    } else if (std::holds_alternative<Blank>(node.op)) {
      if (graph_.type(node.dst).bytes() > 0) undefined = {{0, channels}};
    } else if (const auto* paste = std::get_if<Paste>(&node.op)) {
      const std::int64_t end = paste->begin + channels_of(node.src[1]);
      for (const Channels& range : undefined_[at(node.src[0])]) {
        if (range.begin < std::min(range.end, paste->begin))
          undefined.push_back({range.begin, std::min(range.end, paste->begin)});
        if (std::max(range.begin, end) < range.end)
          undefined.push_back({std::max(range.begin, end), range.end});
      }
    }
  }

  std::int64_t channels_of(ValueId value) const {
    const Shape& shape = graph_.type(value).shape;
    return shape.rank() == 0 ? 1 : shape[-1];
  }

  // ---- the run

  void set_input(ValueId value) {
    content_[at(value)] = own(value);
    (in_file(value) ? file_inputs_ : inputs_).push_back(place(value));
    for (std::size_t i = 0; i < graph_.values().size(); ++i) {
      if (graph_.values()[i].kind == ValueKind::kInput && static_cast<ValueId>(i) < value &&
          plan_.in_file[i] == in_file(value) && overlap(plan_.values[i], place(value)))
        fail_plan("inputs overlap");
    }
    (in_file(value) ? file_ : arena_).write(place(value).offset, content_[at(value)]);
  }

  /// Views and joins move nothing, so they must share their sources' places.
  void check_silent(const Node& node) const {
    for (ValueId src : node.src) {
      if (is_weight(src)) fail_here("a view of a weight");
      if (in_file(src) != in_file(node.dst)) fail_here("its source is in another kind of memory");
    }
    if (is_join(graph_, node)) {
      std::uint64_t offset = place(node.dst).offset;
      for (ValueId src : node.src) {
        if (place(src).bytes > 0 && place(src).offset != offset)
          fail_here("a source of a join is not placed in the join");
        offset += place(src).bytes;
      }
      return;
    }
    const auto offset = view_offset_bytes(graph_, node);
    if (!offset) fail_here("it is neither a view nor a join, so it must run");
    if (place(node.dst).bytes > 0 &&
        place(node.dst).offset != place(node.src[0]).offset + static_cast<std::uint64_t>(*offset))
      fail_here("a view is not placed in its source");
  }

  void play(const Node& node) {
    const bool spills = std::holds_alternative<Spill>(node.op);
    const bool fetches = std::holds_alternative<Fetch>(node.op);
    if (in_file(node.dst) != spills) fail_here("its result is in the wrong kind of memory");
    if (!spills && !is_aligned(place(node.dst))) fail_here("its result is not aligned");
    const Place& scratch = plan_.scratch[at(node_)];
    if (scratch.bytes < needs_[at(node_)].scratch_bytes || !is_aligned(scratch) ||
        !inside(scratch, plan_.arena_bytes))
      fail_here("its scratch is too small or badly placed");
    write(scratch, {{scratch_origin(), 0, scratch.bytes}});
    if (!spills && overlap(scratch, place(node.dst))) fail_here("its result overlaps its scratch");
    for (std::size_t i = 0; i < node.src.size(); ++i) read_source(node, static_cast<int>(i));
    read_weights(node);
    if (spills) {
      const int before = plan_.spilled_before[at(node_)];
      if (before <= node_) fail_here("the spill ends before it begins");
      spills_.push_back({place(node.src[0]), before, node_});
      write_file(node.dst);
      return;
    }
    write(place(node.dst), content_[at(node.dst)]);
    if (fetches) fetches_.push_back({place(node.dst), 0, node_});
  }

  /// A weight has its place from this node on: what was there before can no longer be read, and
  /// what is written there later overwrites it.
  void load_weights() {
    for (; next_use_ < plan_.weights.size(); ++next_use_) {
      const WeightUse& use = plan_.weights[next_use_];
      if (use.keep == Keep::kPacked || (use.keep == Keep::kOnce && !is_first_run_)) continue;
      if (use.loaded_from > node_) break;
      write(use.packed, {{weight_origin(next_use_), 0, use.packed.bytes}});
    }
  }

  void read_source(const Node& node, int index) {
    const ValueId src = node.src[at(index)];
    if (is_weight(src)) return;
    const bool fetches = std::holds_alternative<Fetch>(node.op);
    if (in_file(src) != fetches)
      fail_here(fmt::format("source {} is in the wrong kind of memory", index));
    if (!undefined_[at(src)].empty() && !(std::holds_alternative<Paste>(node.op) && index == 0))
      fail_here(fmt::format("source {} has bytes that were never written", index));
    const Place& from = place(src);
    if ((fetches ? file_ : arena_).read(from) != content_[at(src)])
      fail_here(fmt::format("source {} was overwritten or not written yet", index));
    if (fetches) return;
    if (!is_aligned(from)) fail_here(fmt::format("source {} is not aligned", index));
    std::erase_if(fetches_, [&](const Pending& fetch) { return overlap(fetch.place, from); });
    if (std::holds_alternative<Spill>(node.op)) return;
    const Place& to = place(node.dst);
    const int over = std::visit([](const auto& op) { return op.may_overwrite(); }, node.op);
    const bool in_place = index == over && from.offset == to.offset && from.bytes == to.bytes;
    if (overlap(from, to) && !in_place)
      fail_here(fmt::format("its result overlaps source {}", index));
  }

  void read_weights(const Node& node) {
    for (;
         next_weight_ < plan_.node_weights.size() && plan_.node_weights[next_weight_].node <= node_;
         ++next_weight_) {
      if (plan_.node_weights[next_weight_].node < node_) continue;  // of a node that ran before
      const auto use = at(plan_.node_weights[next_weight_].use);
      const Place& packed = plan_.weights[use].packed;
      if (plan_.weights[use].keep == Keep::kPacked) continue;
      if (arena_.read(packed) != Content{{weight_origin(use), 0, packed.bytes}})
        fail_here("a weight was overwritten");
      if (!in_file(node.dst) && overlap(packed, place(node.dst)))
        fail_here("its result overlaps its weight");
    }
  }

  /// Every write to the arena goes through here; checks that it overwrites nothing still in use.
  void write(const Place& to, const Content& content) {
    for (const Place& input : inputs_) {
      if (overlap(input, to)) fail_here("it overwrites an input");
    }
    std::erase_if(spills_, [&](const Pending& spill) { return spill.before <= node_; });
    for (const Pending& spill : spills_) {
      if (overlap(spill.place, to))
        fail_here(fmt::format("it overwrites what node {} is still spilling", spill.node));
    }
    for (const Pending& fetch : fetches_) {
      if (overlap(fetch.place, to))
        fail_here(fmt::format("it overwrites what node {} fetched before it was used", fetch.node));
    }
    if (to.bytes > 0) arena_.write(to.offset, content);
  }

  void write_file(ValueId value) {
    for (const Place& input : file_inputs_) {
      if (overlap(input, place(value))) fail_here("it overwrites an input in the scratch file");
    }
    file_.write(place(value).offset, content_[at(value)]);
  }

  void check_end() const {
    for (std::size_t i = 0; i < graph_.values().size(); ++i) {
      const ValueInfo& value = graph_.values()[i];
      if (value.kind == ValueKind::kInput && !holds(static_cast<ValueId>(i)))
        fail_plan(fmt::format("input {} was overwritten", value.name));
    }
    for (const auto& [name, value] : graph_.outputs()) {
      if (is_weight(value)) continue;
      if (!holds(value)) fail_plan(fmt::format("output {} was overwritten", name));
      if (!undefined_[at(value)].empty())
        fail_plan(fmt::format("output {} has bytes that were never written", name));
    }
  }

  bool holds(ValueId value) const {
    return (in_file(value) ? file_ : arena_).read(place(value)) == content_[at(value)];
  }

  const Graph& graph_;
  const std::vector<NodeNeeds>& needs_;
  const Plan& plan_;
  const std::vector<std::string>& steady_inputs_;
  bool is_first_run_ = true;
  std::vector<Content> content_;                  // by value
  std::vector<std::vector<Channels>> undefined_;  // by value: left undefined by Blank
  int node_ = 0;
  std::size_t next_use_ = 0;
  std::size_t next_weight_ = 0;
  Ledger arena_, file_;
  std::vector<Place> inputs_, file_inputs_;
  std::vector<Pending> spills_;   // still reading their sources
  std::vector<Pending> fetches_;  // not waited for yet
};

}  // namespace

void check_plan(const Graph& graph, const std::vector<NodeNeeds>& needs, const Plan& plan,
                const std::vector<std::string>& steady_inputs) {
  Checker(graph, needs, plan, steady_inputs).run();
}

PlanPeaks peaks_of(const Graph& graph, const Plan& plan) {
  PlanPeaks peaks;
  const auto see = [](std::uint64_t& peak, const Place& place) {
    if (place.bytes > 0) peak = std::max(peak, place.offset + place.bytes);
  };
  for (std::size_t i = 0; i < plan.values.size(); ++i) {
    if (graph.values()[i].kind != ValueKind::kWeight)
      see(plan.in_file[i] ? peaks.file_bytes : peaks.arena_bytes, plan.values[i]);
  }
  for (const Place& scratch : plan.scratch) see(peaks.arena_bytes, scratch);
  for (const WeightUse& use : plan.weights) {
    see(use.keep == Keep::kPacked ? peaks.resident_bytes : peaks.arena_bytes, use.packed);
    if (use.keep != Keep::kPacked)
      peaks.ring_bytes = std::max(peaks.ring_bytes, use.needs.raw_bytes);
  }
  return peaks;
}

}  // namespace semblance
