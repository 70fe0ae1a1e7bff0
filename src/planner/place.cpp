#include "planner/place.h"

#include <algorithm>
#include <numeric>

#include "core/integers.h"
#include "graph/views.h"

namespace semblance {
namespace {

/// Finds the nodes that need to run only once, because what they depend on stays the same.
class SteadyNodes {
 public:
  SteadyNodes(const Graph& graph, const std::vector<NodeNeeds>& needs, const Sharing& sharing,
              const std::vector<std::string>& steady_inputs)
      : graph_(graph),
        needs_(needs),
        sharing_(sharing),
        is_steady_(graph.values().size()),
        is_read_(graph.values().size()),
        runs_once(graph.nodes().size()) {
    for (const std::string& name : steady_inputs) {
      const ValueId input = graph.find_input(name);
      if (input >= 0) is_steady_[at(input)] = true;
    }
    for (const Node& node : graph.nodes()) is_steady_[at(node.dst)] = is_steady(node);
    for (const auto& [name, value] : graph.outputs()) is_read_[at(value)] = true;
    for (std::size_t n = graph.nodes().size(); n-- > 0;) choose(n);
  }

 private:
  bool is_steady(const Node& node) const {
    if (std::holds_alternative<Spill>(node.op) || std::holds_alternative<Fetch>(node.op) ||
        std::holds_alternative<Embedding>(node.op))
      return false;
    bool steady = false;
    for (const ValueId src : node.src) {
      if (graph_.values()[at(src)].kind == ValueKind::kWeight) continue;
      if (!is_steady_[at(src)] || sharing_.in_file[at(src)]) return false;
      steady = true;
    }
    return steady;
  }

  /// Whether it is better kept than computed again.
  bool pays(std::size_t n) const {
    std::uint64_t weights = 0;
    for (const WeightNeeds& need : needs_[n].src) weights += need.packed_bytes;
    return graph_.type(graph_.nodes()[n].dst).bytes() <= weights;
  }

  /// In reverse order: is_read_ says whether a run needs the node's result.
  void choose(std::size_t n) {
    const Node& node = graph_.nodes()[n];
    const bool is_read = is_read_[at(node.dst)];
    if (is_steady_[at(node.dst)] && !sharing_.is_view[n]) {
      runs_once[n] = !is_read || pays(n);
      if (runs_once[n] && is_read) kept.push_back(node.dst);
      if (runs_once[n]) return;
    }
    if (sharing_.is_view[n] && is_steady_[at(node.dst)] && !is_read) return;
    for (const ValueId src : node.src) is_read_[at(src)] = true;
  }

  const Graph& graph_;
  const std::vector<NodeNeeds>& needs_;
  const Sharing& sharing_;
  std::vector<bool> is_steady_, is_read_;  // by value

 public:
  std::vector<bool> runs_once;
  std::vector<ValueId> kept;  // results that others read in every run
};

class Sharer {
 public:
  Sharer(const Lowered& program, const std::vector<NodeNeeds>* needs,
         const std::vector<std::string>& steady_inputs)
      : needs_(needs),
        steady_inputs_(steady_inputs),
        graph_(program.graph),
        file_input_(graph_.values().size()),
        parent_(graph_.values().size()),
        shift_(graph_.values().size()) {
    for (ValueId value : program.file_inputs) file_input_[at(value)] = true;
    std::iota(parent_.begin(), parent_.end(), 0);
  }

  Sharing run() {
    const std::size_t count = graph_.values().size();
    sharing_.in_file.resize(count);
    sharing_.first.assign(count, -1);
    sharing_.last.assign(count, -1);
    sharing_.is_view.resize(graph_.nodes().size());
    find_views();
    if (needs_ != nullptr) {
      SteadyNodes steady(graph_, *needs_, sharing_, steady_inputs_);
      sharing_.runs_once = std::move(steady.runs_once);
      kept_ = std::move(steady.kept);
    } else {
      sharing_.runs_once.assign(graph_.nodes().size(), false);
    }
    find_lifetimes();
    find_overwriting();
    sharing_.root.resize(count);
    sharing_.offset.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto [root, offset] = find(static_cast<ValueId>(i));
      sharing_.root[i] = root;
      sharing_.offset[i] = offset;
    }
    return std::move(sharing_);
  }

 private:
  std::pair<ValueId, std::uint64_t> find(ValueId value) const {
    std::uint64_t offset = 0;
    while (parent_[at(value)] != value) {
      offset += shift_[at(value)];
      value = parent_[at(value)];
    }
    return {value, offset};
  }

  void put_into(ValueId value, ValueId parent, std::uint64_t offset) {
    parent_[at(value)] = parent;
    shift_[at(value)] = offset;
  }

  void find_views() {
    for (std::size_t i = 0; i < file_input_.size(); ++i) sharing_.in_file[i] = file_input_[i];
    for (std::size_t n = 0; n < graph_.nodes().size(); ++n) {
      const Node& node = graph_.nodes()[n];
      if (std::holds_alternative<Spill>(node.op)) {
        sharing_.in_file[at(node.dst)] = true;
      } else if (const auto offset = view_offset_bytes(graph_, node);
                 offset && graph_.values()[at(node.src[0])].kind != ValueKind::kWeight &&
                 (sharing_.in_file[at(node.src[0])] ||
                  static_cast<std::uint64_t>(*offset) % kPlaceAlignment == 0)) {
        const auto shift = static_cast<std::uint64_t>(*offset);
        put_into(node.dst, node.src[0], shift);
        sharing_.in_file[at(node.dst)] = sharing_.in_file[at(node.src[0])];
        sharing_.is_view[n] = true;
      } else if (is_join(graph_, node) && can_join(node)) {
        std::uint64_t bytes = 0;
        for (ValueId src : node.src) {
          const ValueId root = find(src).first;
          put_into(root, node.dst, bytes);
          bytes += graph_.type(src).bytes();
        }
        sharing_.in_file[at(node.dst)] = sharing_.in_file[at(node.src[0])];
        sharing_.is_view[n] = true;
      }
    }
  }

  /// Each source must be a node's result that is a whole place of its own, all in the same kind of
  /// memory.
  bool can_join(const Node& node) {
    std::vector<ValueId> roots;
    for (ValueId src : node.src) {
      const auto [root, offset] = find(src);
      const ValueInfo& info = graph_.values()[at(root)];
      if (info.kind != ValueKind::kResult || offset != 0 ||
          info.type.bytes() != graph_.type(src).bytes())
        return false;
      const bool in_file = sharing_.in_file[at(src)];
      if (in_file != sharing_.in_file[at(node.src[0])]) return false;
      if (!in_file && info.type.bytes() % kPlaceAlignment != 0) return false;
      if (std::find(roots.begin(), roots.end(), root) != roots.end()) return false;
      roots.push_back(root);
    }
    return true;
  }

  void find_lifetimes() {
    for (std::size_t i = 0; i < graph_.values().size(); ++i) {
      if (graph_.values()[i].kind == ValueKind::kInput) sharing_.last[i] = kForever;
    }
    born_.assign(graph_.values().size(), kForever);
    for (std::size_t n = 0; n < graph_.nodes().size(); ++n) {
      const Node& node = graph_.nodes()[n];
      const auto index = static_cast<int>(n);
      // Views and joins touch nothing: the nodes that read them keep their sources alive.
      if (!sharing_.is_view[n]) {
        for (ValueId value : node.src) touch(value, index);
        const ValueId root = find(node.dst).first;
        born_[at(root)] = std::min(born_[at(root)], index);
        touch(node.dst, index);
      }
    }
    for (const auto& [name, value] : graph_.outputs())
      sharing_.last[at(find(value).first)] = kForever;
    for (std::size_t i = 0; i < born_.size(); ++i)
      sharing_.first[i] = born_[i] == kForever ? -1 : born_[i];
    for (const ValueId value : kept_) {
      const std::size_t root = at(find(value).first);
      sharing_.first[root] = -1;
      sharing_.last[root] = kForever;
    }
  }

  void touch(ValueId value, int node) {
    int& last = sharing_.last[at(find(value).first)];
    last = std::max(last, node);
  }

  /// A result that may overwrite a source takes its place if nothing uses the source later.
  void find_overwriting() {
    for (std::size_t n = 0; n < graph_.nodes().size(); ++n) {
      // The source of one that runs once may be computed again in every run.
      if (sharing_.is_view[n] || sharing_.runs_once[n]) continue;
      const Node& node = graph_.nodes()[n];
      const int over = std::visit([](const auto& op) { return op.may_overwrite(); }, node.op);
      if (over < 0) continue;
      const ValueId src = node.src[at(over)];
      const auto [root, offset] = find(src);
      if (graph_.values()[at(root)].kind != ValueKind::kResult || offset != 0 ||
          graph_.type(root).bytes() != graph_.type(node.dst).bytes() ||
          graph_.type(src).dtype != graph_.type(node.dst).dtype || sharing_.in_file[at(root)] ||
          sharing_.last[at(root)] != static_cast<int>(n))
        continue;
      bool shared = false;
      for (std::size_t i = 0; i < node.src.size(); ++i) {
        if (static_cast<int>(i) != over && find(node.src[i]).first == root) shared = true;
      }
      const ValueId into = find(node.dst).first;
      if (shared || into == root) continue;
      put_into(root, node.dst, 0);
      sharing_.first[at(into)] = std::min(sharing_.first[at(into)], sharing_.first[at(root)]);
    }
  }

  const std::vector<NodeNeeds>* needs_;
  const std::vector<std::string>& steady_inputs_;
  const Graph& graph_;
  std::vector<ValueId> kept_;
  std::vector<bool> file_input_;
  std::vector<ValueId> parent_;
  std::vector<std::uint64_t> shift_;
  std::vector<int> born_;
  Sharing sharing_;
};

}  // namespace

Sharing find_sharing(const Lowered& program) { return Sharer(program, nullptr, {}).run(); }
Sharing find_sharing(const Lowered& program, const std::vector<NodeNeeds>& needs,
                     const std::vector<std::string>& steady_inputs) {
  return Sharer(program, &needs, steady_inputs).run();
}

std::uint64_t place_blocks(std::vector<Block>& blocks) {
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return blocks[a].bytes > blocks[b].bytes; });
  int end = 0;
  for (const Block& block : blocks) end = std::max(end, block.first);
  // Blocks already placed, by span of nodes and within a span by offset, so that a block is
  // compared only with blocks of its spans.
  constexpr int kSpan = 64;
  const auto span_of = [end](int node) { return at(std::clamp(node, 0, end) / kSpan); };
  const auto is_below = [&](std::size_t a, std::size_t b) {
    return blocks[a].offset < blocks[b].offset;
  };
  std::vector<std::vector<std::size_t>> placed(span_of(end) + 1);
  std::vector<std::size_t> met;
  std::vector<std::size_t> seen(blocks.size(), blocks.size());
  std::uint64_t total = 0;
  for (std::size_t index : order) {
    Block& block = blocks[index];
    if (block.bytes == 0) continue;
    met.clear();
    const std::size_t first_span = span_of(block.first);
    const std::size_t last_span = span_of(block.last);
    for (std::size_t span = first_span; span <= last_span; ++span) {
      for (std::size_t other : placed[span]) {
        if (seen[other] == index || blocks[other].first > block.last ||
            blocks[other].last < block.first)
          continue;
        seen[other] = index;
        met.push_back(other);
      }
    }
    if (last_span > first_span) std::sort(met.begin(), met.end(), is_below);
    std::uint64_t offset = 0;
    for (std::size_t other : met) {
      if (blocks[other].offset >= offset + block.bytes) break;
      offset = std::max(offset, blocks[other].offset + blocks[other].bytes);
    }
    block.offset = offset;
    for (std::size_t span = first_span; span <= last_span; ++span) {
      auto& in_span = placed[span];
      in_span.insert(std::upper_bound(in_span.begin(), in_span.end(), index, is_below), index);
    }
    total = std::max(total, offset + block.bytes);
  }
  return total;
}

}  // namespace semblance
