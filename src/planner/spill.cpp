#include "planner/spill.h"

#include <algorithm>
#include <map>
#include <span>

#include "core/integers.h"
#include "graph/views.h"
#include "planner/place.h"
#include "planner/regroup.h"

namespace semblance {
namespace {

constexpr std::uint64_t kLeastBytes = 256 * 1024;
constexpr int kLeastNodes = 4;  // between two uses

/// A value that no node uses between `after` and `before`.
struct Idle {
  ValueId value = -1;
  int after = 0;
  int before = 0;
  std::uint64_t bytes = 0;
};

}  // namespace

class Spilling::Impl {
 public:
  Impl(const Lowered& program, const std::vector<NodeNeeds>& needs)
      : program_(program), graph_(program.graph), needs_(needs), sharing_(find_sharing(program)) {
    find_live();
  }

  std::uint64_t peak_bytes() const {
    return live_.empty() ? 0 : *std::max_element(live_.begin(), live_.end());
  }

  void bring_down_to(std::uint64_t target_bytes) {
    if (peak_bytes() <= target_bytes) return;
    if (!knows_idle_) find_idle();
    for (;;) {
      const auto peak = std::max_element(live_.begin(), live_.end());
      if (peak == live_.end() || *peak <= target_bytes) break;
      const auto node = static_cast<int>(peak - live_.begin());
      std::size_t best = idle_.size();
      for (std::size_t i = 0; i < idle_.size(); ++i) {
        if (taken_[i] || idle_[i].after >= node || idle_[i].before <= node) continue;
        if (best == idle_.size() || idle_[i].before > idle_[best].before ||
            (idle_[i].before == idle_[best].before && idle_[i].bytes > idle_[best].bytes))
          best = i;
      }
      if (best == idle_.size()) break;
      taken_[best] = true;
      chosen_.push_back(idle_[best]);
      for (int n = idle_[best].after + 1; n < idle_[best].before; ++n)
        live_[at(n)] -= idle_[best].bytes;
    }
  }

  const Lowered& program() const { return program_; }
  std::span<const Idle> chosen() const { return chosen_; }

 private:
  /// Arena bytes in use while each node runs.
  void find_live() {
    const std::size_t nodes = graph_.nodes().size();
    std::vector<std::int64_t> change(nodes + 1);
    const auto add = [&](std::uint64_t bytes, int first, int last) {
      change[at(std::max(first, 0))] += static_cast<std::int64_t>(bytes);
      if (last < static_cast<int>(nodes)) change[at(last) + 1] -= static_cast<std::int64_t>(bytes);
    };
    for (std::size_t i = 0; i < graph_.values().size(); ++i) {
      const ValueInfo& info = graph_.values()[i];
      if (info.kind == ValueKind::kWeight || sharing_.root[i] != static_cast<ValueId>(i) ||
          sharing_.in_file[i])
        continue;
      const int last = sharing_.last[i] == kForever ? static_cast<int>(nodes) : sharing_.last[i];
      if (last >= sharing_.first[i]) add(info.type.bytes(), sharing_.first[i], last);
    }
    std::map<std::tuple<ValueId, std::uint64_t, int>, std::pair<int, int>> weights;
    for (std::size_t n = 0; n < nodes; ++n) {
      const auto index = static_cast<int>(n);
      if (sharing_.is_view[n]) continue;
      add(needs_[n].scratch_bytes, index, index);
      for (std::size_t i = 0; i < needs_[n].src.size(); ++i) {
        const WeightNeeds& need = needs_[n].src[i];
        if (need.packed_bytes == 0) continue;
        auto [found, added] = weights.try_emplace(
            {graph_.nodes()[n].src[i], need.layout, program_.epoch[n]}, index, index);
        if (!added) {
          for (int between = found->second.second + 1; between <= index; ++between)
            add(need.packed_bytes, between, between);
          found->second.second = index;
        } else {
          add(need.packed_bytes, index, index);
        }
      }
    }
    live_.resize(nodes);
    std::int64_t now = 0;
    for (std::size_t n = 0; n < nodes; ++n) {
      now += change[n];
      live_[n] = static_cast<std::uint64_t>(now);
    }
  }

  void find_idle() {
    knows_idle_ = true;
    // The value that owns a value's bytes: itself, or what it is a view of.
    std::vector<ValueId> owner(graph_.values().size());
    std::vector<std::vector<int>> touched(graph_.values().size());
    std::vector<bool> joined(graph_.values().size());  // is part of a join
    for (std::size_t i = 0; i < owner.size(); ++i) owner[i] = static_cast<ValueId>(i);
    for (std::size_t n = 0; n < graph_.nodes().size(); ++n) {
      const Node& node = graph_.nodes()[n];
      const auto index = static_cast<int>(n);
      if (sharing_.is_view[n] && !std::holds_alternative<Concat>(node.op)) {
        owner[at(node.dst)] = owner[at(node.src[0])];
        continue;
      }
      for (ValueId src : node.src) {
        if (sharing_.is_view[n]) joined[at(owner[at(src)])] = true;
        touched[at(owner[at(src)])].push_back(index);
      }
      touched[at(node.dst)].push_back(index);
    }
    for (std::size_t i = 0; i < owner.size(); ++i) {
      const ValueInfo& info = graph_.values()[i];
      if (info.kind != ValueKind::kResult || owner[i] != static_cast<ValueId>(i) || joined[i] ||
          sharing_.in_file[i] || info.type.bytes() < kLeastBytes)
        continue;
      std::vector<int>& nodes = touched[i];
      std::sort(nodes.begin(), nodes.end());
      for (std::size_t j = 1; j < nodes.size(); ++j) {
        if (nodes[j] - nodes[j - 1] > kLeastNodes)
          idle_.push_back({static_cast<ValueId>(i), nodes[j - 1], nodes[j], info.type.bytes()});
      }
    }
    taken_.resize(idle_.size());
  }

  const Lowered& program_;
  const Graph& graph_;
  const std::vector<NodeNeeds>& needs_;
  Sharing sharing_;
  std::vector<std::uint64_t> live_;
  bool knows_idle_ = false;
  std::vector<Idle> idle_;
  std::vector<bool> taken_;  // by idle time
  std::vector<Idle> chosen_;
};

namespace {

/// The program with values spilled and fetched around their idle times.
class Rewriter {
 public:
  Rewriter(const Lowered& program, std::span<const Idle> idle)
      : program_(program), graph_(program.graph), current_(graph_.values().size(), -1) {
    for (const Idle& time : idle) {
      spills_[time.after].push_back(time.value);
      fetches_[time.before].push_back(time.value);
    }
  }

  Lowered run() {
    for (std::size_t i = 0; i < graph_.values().size(); ++i) {
      if (graph_.values()[i].kind == ValueKind::kInput) mapped(static_cast<ValueId>(i));
    }
    for (std::size_t n = 0; n < graph_.nodes().size(); ++n) {
      const Node& node = graph_.nodes()[n];
      epoch_ = program_.epoch[n];
      for (ValueId value : fetches_[static_cast<int>(n)]) {
        add_epoch(current_[at(value)] = result_.graph.add(Fetch{}, {files_.at(value)}));
        ++version_[value];
      }
      std::vector<ValueId> src;
      for (ValueId value : node.src) src.push_back(mapped(value));
      add_epoch(current_[at(node.dst)] = result_.graph.add(node.op, src));
      view_version_[node.dst] = source_version(node);
      for (ValueId value : spills_[static_cast<int>(n)]) {
        auto found = files_.find(value);
        if (found != files_.end()) continue;  // already in the file
        add_epoch(files_[value] = result_.graph.add(Spill{}, {mapped(value)}));
      }
    }
    for (const auto& [name, value] : graph_.outputs())
      result_.graph.add_output(name, mapped(value));
    for (ValueId value : program_.file_inputs) result_.file_inputs.push_back(mapped(value));
    return std::move(result_);
  }

 private:
  void add_epoch(ValueId) { result_.epoch.resize(result_.graph.nodes().size(), epoch_); }

  const Node* view_node(ValueId value) const {
    const int producer = graph_.values()[at(value)].producer;
    if (producer < 0) return nullptr;
    const Node& node = graph_.nodes()[at(producer)];
    return view_offset_bytes(graph_, node) ? &node : nullptr;
  }

  /// How often the value behind a view has been fetched.
  int source_version(const Node& node) {
    const Node* view = view_offset_bytes(graph_, node) ? &node : nullptr;
    if (view == nullptr) return 0;
    ValueId value = view->src[0];
    while (const Node* next = view_node(value)) value = next->src[0];
    const auto found = version_.find(value);
    return found == version_.end() ? 0 : found->second;
  }

  ValueId mapped(ValueId value) {
    ValueId& id = current_[at(value)];
    if (id < 0) return id = copy_source(graph_, value, result_.graph);
    const Node* view = view_node(value);
    if (view != nullptr) {
      const int version = source_version(*view);
      if (view_version_[value] != version) {
        const ValueId again = result_.graph.add(view->op, {mapped(view->src[0])});
        add_epoch(again);
        view_version_[value] = version;
        current_[at(value)] = again;
        return again;
      }
    }
    return current_[at(value)];
  }

  const Lowered& program_;
  const Graph& graph_;
  std::map<int, std::vector<ValueId>> spills_;
  std::map<int, std::vector<ValueId>> fetches_;
  std::vector<ValueId> current_;
  std::map<ValueId, ValueId> files_;
  std::map<ValueId, int> version_;
  std::map<ValueId, int> view_version_;
  Lowered result_;
  int epoch_ = 0;
};

}  // namespace

Spilling::Spilling(const Lowered& program, const std::vector<NodeNeeds>& needs)
    : impl_(std::make_unique<Impl>(program, needs)) {}
Spilling::~Spilling() = default;

std::uint64_t Spilling::peak_bytes() const { return impl_->peak_bytes(); }
void Spilling::bring_down_to(std::uint64_t target_bytes) { impl_->bring_down_to(target_bytes); }
std::size_t Spilling::chosen() const { return impl_->chosen().size(); }

Lowered Spilling::program(std::size_t chosen) const {
  return Rewriter(impl_->program(), impl_->chosen().first(chosen)).run();
}

Lowered spill(const Lowered& program, const std::vector<NodeNeeds>& needs,
              std::uint64_t target_bytes) {
  Spilling spilling(program, needs);
  spilling.bring_down_to(target_bytes);
  return spilling.program(spilling.chosen());
}

}  // namespace semblance
