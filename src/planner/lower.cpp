#include "planner/lower.h"

#include <algorithm>
#include <map>
#include <optional>

#include "core/integers.h"
#include "planner/choices.h"
#include "planner/regroup.h"

namespace semblance {
namespace {

/// Splits GroupNorm into its two halves, so that the first can be computed in bands.
Graph split_group_norms(const Graph& graph) {
  GraphCopy copy(graph);
  Graph& result = copy.graph();
  for (const Node& node : graph.nodes()) {
    const std::vector<ValueId> src = copy.of(node.src);
    const auto* norm = std::get_if<GroupNorm>(&node.op);
    if (norm != nullptr && is_pictured(graph.type(node.dst).shape)) {
      const ValueId moments = result.add(
          GroupMoments{norm->groups, group_chunk_pixels(graph.type(node.src[0]).shape)}, {src[0]});
      copy.set(node.dst, result.add(GroupScale{norm->groups, norm->eps, norm->silu},
                                    {src[0], moments, src[1], src[2]}));
    } else {
      copy.set(node.dst, result.add(node.op, src));
    }
  }
  return copy.finish();
}

/// Builds the graph that was chosen.
class Emitter {
 public:
  Emitter(const Graph& graph, const GraphLinks& links, const LowerRules& rules,
          const std::vector<ValueChoice>& choices)
      : graph_(graph),
        links_(links),
        rules_(rules),
        choices_(choices),
        states_(graph.values().size()) {}

  struct Emitted {
    Lowered lowered;
    std::vector<int> pictures;  // by node: its picture, or -1 for all
  };

  Emitted run() {
    for (std::size_t i = 0; i < graph_.values().size(); ++i) {
      if (graph_.values()[i].kind == ValueKind::kInput) add_input(static_cast<ValueId>(i));
    }
    for (const Node& node : graph_.nodes()) {
      if (choice(node.dst).kept && !states_[at(node.dst)].done) compute(node);
    }
    for (const auto& [name, value] : graph_.outputs()) {
      set_tag(-1);
      out_.add_output(name, whole(value));
      note_nodes();
    }
    return {{std::move(out_), std::move(epochs_), std::move(file_inputs_)}, std::move(tags_)};
  }

 private:
  /// Where a kept value is.
  struct State {
    bool done = false;
    ValueId whole = -1;             // in memory
    std::vector<ValueId> pictures;  // [1,...] each; in memory, or in the file
  };

  const ValueInfo& info(ValueId value) const { return graph_.values()[at(value)]; }
  const Shape& shape(ValueId value) const { return info(value).type.shape; }
  const ValueChoice& choice(ValueId value) const { return choices_[at(value)]; }

  void set_tag(int picture) {
    tag_ = picture;
    ++epoch_;
  }
  void note_nodes() {
    tags_.resize(out_.nodes().size(), tag_);
    epochs_.resize(out_.nodes().size(), epoch_);
  }

  void add_input(ValueId value) {
    const ValueInfo& input = info(value);
    State& state = states_[at(value)];
    state.done = true;
    const ValueId id = out_.add_input(input.name, input.type);
    if (!choice(value).in_file) {
      state.whole = id;
      return;
    }
    file_inputs_.push_back(id);
    for (std::int64_t i = 0; i < input.type.shape[0]; ++i)
      state.pictures.push_back(picture_slice(id, i));
    note_nodes();
  }

  ValueId picture_slice(ValueId value, std::int64_t picture) {
    if (out_.type(value).shape[0] == 1) return value;
    return out_.add(Slice{0, picture, picture + 1, 1}, {value});
  }

  ValueId row_slice(ValueId value, std::int64_t begin, std::int64_t end) {
    const Shape& type = out_.type(value).shape;
    if (begin == 0 && end == pixels_of(type)) return value;
    const std::int64_t row = row_of(type);
    SEMBLANCE_ASSERT(begin % row == 0 && end % row == 0);
    return out_.add(Slice{1, begin / row, end / row, 1}, {value});
  }

  /// A picture of a kept value, in memory or in the file, wherever it is kept.
  ValueId picture(ValueId value, int index) {
    State& state = states_[at(value)];
    if (state.pictures.empty()) state.pictures.resize(at(shape(value)[0]), -1);
    ValueId& id = state.pictures[at(index)];
    if (id < 0) id = picture_slice(state.whole, index);
    return id;
  }

  /// A kept value, whole and in memory.
  ValueId whole(ValueId value) {
    State& state = states_[at(value)];
    if (state.whole >= 0) return state.whole;
    std::vector<ValueId> pictures = state.pictures;
    if (choice(value).in_file) {
      for (ValueId& id : pictures) id = out_.add(Fetch{}, {id});
    }
    const ValueId joined = pictures.size() == 1 ? pictures[0] : out_.add(Concat{0}, pictures);
    if (!choice(value).in_file) {
      state.whole = joined;
      state.pictures.clear();  // picture() now makes views of the whole
    }
    return joined;
  }

  /// A part of any value, in memory.
  ValueId get(ValueId value, const Part& part) {
    const ValueInfo& source = info(value);
    if (source.kind == ValueKind::kWeight)
      return out_.add_weight(source.name, source.type, source.rows);
    const State& state = states_[at(value)];
    if (!choice(value).kept) return emit(*links_.producer(value), part);
    SEMBLANCE_ASSERT(state.done);
    if (part.whole()) return whole(value);
    const auto key = std::pair(value, part);
    if (choice(value).in_file) {
      if (auto found = fetched_.find(key); found != fetched_.end()) return found->second;
    }
    const ValueId id = row_slice(picture(value, part.picture), part.begin, part.end);
    if (!choice(value).in_file) return id;
    return fetched_[key] = out_.add(Fetch{}, {id});
  }

  /// Computes a part of a node's result.
  ValueId emit(const Node& node, const Part& part) {
    if (!part.whole() && cut_of(graph_, node) == Cut::kPictures &&
        !std::holds_alternative<GroupMoments>(node.op)) {
      const Part all{part.picture, 0, pixels_of(shape(node.dst))};
      if (part != all) return row_slice(emit(node, all), part.begin, part.end);
    }
    const auto key = std::pair(node.dst, part);
    if (!choice(node.dst).kept) {
      if (auto found = memo_.find(key); found != memo_.end()) return found->second;
      if (auto found = lasting_.find(key); found != lasting_.end()) return found->second;
    }
    const ValueId id = emit_new(node, part);
    if (!choice(node.dst).kept) {
      const bool lasts =
          !banded_ &&
          (rules_.slice_bytes == LowerRules::kNoLimit ||
           TensorType{graph_.type(node.dst).dtype, shape_of(shape(node.dst), part)}.bytes() <=
               rules_.slice_bytes / 2);
      (lasts ? lasting_ : memo_)[key] = id;
    }
    return id;
  }

  ValueId emit_new(const Node& node, const Part& part) {
    if (std::holds_alternative<Geglu>(node.op)) {
      const Node* inner = links_.producer(node.src[0]);
      if (inner != nullptr && !choice(node.src[0]).kept &&
          std::holds_alternative<Linear>(inner->op) && !std::get<Linear>(inner->op).has_residual &&
          !whole_weights_ && choice(inner->dst).chunks > 1)
        return emit_gated(*inner, part);
    }
    if (!whole_weights_ && choice(node.dst).chunks > 1) return emit_chunks(node, part);
    const std::vector<Part> parts = sources_for(graph_, node, part);
    std::vector<ValueId> src;
    for (std::size_t i = 0; i < node.src.size(); ++i) src.push_back(get(node.src[i], parts[i]));
    PartOp op = op_for(graph_, node, part);
    ValueId id = out_.add(std::move(op.op), src);
    if (!part.whole() && (op.first != part.begin || op.end != part.end))
      id = row_slice(id, part.begin - op.first, part.end - op.first);
    return id;
  }

  ValueId weight_rows(ValueId weight, std::vector<RowRange> rows) {
    const ValueInfo& source = info(weight);
    std::int64_t count = 0;
    for (const RowRange& range : rows) count += range.count;
    return out_.add_weight(source.name, {source.type.dtype, source.type.shape.with(0, count)},
                           std::move(rows));
  }

  /// Channels of chunk i of `count`; multiples of kChannelStep except at the end.
  static std::pair<std::int64_t, std::int64_t> chunk_range(std::int64_t channels,
                                                           std::int64_t count, std::int64_t i) {
    const std::int64_t steps = (channels + kChannelStep - 1) / kChannelStep;
    const std::int64_t each = (steps + count - 1) / count * kChannelStep;
    return {std::min(channels, i * each), std::min(channels, (i + 1) * each)};
  }

  /// A linear layer or convolution in ranges of output channels.
  ValueId emit_chunks(const Node& node, const Part& part) {
    const std::vector<Part> parts = sources_for(graph_, node, part);
    const ValueId x = get(node.src[0], parts[0]);
    const PartOp op = op_for(graph_, node, part);
    const bool has_bias = std::visit(
        [](const auto& o) {
          if constexpr (requires { o.has_residual; }) return o.has_bias;
          return false;
        },
        node.op);
    const bool has_residual = node.src.size() > (has_bias ? 3U : 2U);
    const ValueId residual = has_residual ? get(node.src.back(), parts.back()) : -1;
    const TensorType type{graph_.type(node.dst).dtype, shape_of(shape(node.dst), part)};
    // The parts are pasted over the residual if there is one.
    ValueId result =
        has_residual ? residual : out_.add(Blank{type.dtype, sizes_of(type.shape)}, {});
    const std::int64_t channels = type.shape[-1];
    const std::int64_t count = choice(node.dst).chunks;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto [begin, end] = chunk_range(channels, count, i);
      if (begin == end) break;
      const std::vector<RowRange> rows{{begin, end - begin}};
      std::vector<ValueId> src{x, weight_rows(node.src[1], rows)};
      if (has_bias) src.push_back(weight_rows(node.src[2], rows));
      if (has_residual) src.push_back(out_.add(Slice{-1, begin, end, 1}, {result}));
      const ValueId chunk = out_.add(op.op, src);
      result = out_.add(Paste{begin}, {result, chunk});
    }
    return result;
  }

  /// geglu(linear(x)) in ranges of its channels; each uses the matching channels of both halves of
  /// the linear layer.
  ValueId emit_gated(const Node& linear, const Part& part) {
    const bool has_bias = std::get<Linear>(linear.op).has_bias;
    const std::vector<Part> parts = sources_for(graph_, linear, part);
    const ValueId x = get(linear.src[0], parts[0]);
    const Shape shape_of_linear = shape_of(shape(linear.dst), part);
    const std::int64_t channels = shape_of_linear[-1] / 2;
    const TensorType type{graph_.type(linear.dst).dtype, shape_of_linear.with(-1, channels)};
    ValueId result = out_.add(Blank{type.dtype, sizes_of(type.shape)}, {});
    const std::int64_t count = choice(linear.dst).chunks;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto [begin, end] = chunk_range(channels, count, i);
      if (begin == end) break;
      const std::vector<RowRange> rows{{begin, end - begin}, {channels + begin, end - begin}};
      std::vector<ValueId> src{x, weight_rows(linear.src[1], rows)};
      if (has_bias) src.push_back(weight_rows(linear.src[2], rows));
      const ValueId gated = out_.add(Geglu{}, {out_.add(linear.op, src)});
      result = out_.add(Paste{begin}, {result, gated});
    }
    return result;
  }

  static std::vector<std::int64_t> sizes_of(const Shape& shape) {
    return {shape.sizes().begin(), shape.sizes().end()};
  }

  void finish() {
    note_nodes();
    memo_.clear();
    fetched_.clear();
  }

  void compute(const Node& node) {
    State& state = states_[at(node.dst)];
    const Shape& type = shape(node.dst);
    const bool alone = is_pictured(type) && type[0] == 1 && cut_of(graph_, node) != Cut::kWhole;
    if (!alone && !choice(node.dst).split) {
      set_tag(-1);
      state.whole = emit(node, Part{});
      finish();
      state.done = true;
      return;
    }
    for (int i = 0; i < type[0]; ++i) {
      set_tag(type[0] > 1 ? i : -1);
      if (choice(node.dst).band == 0) {
        set_picture(node, i, emit(node, Part{i, 0, pixels_of(type)}));
      } else if (std::holds_alternative<GroupMoments>(node.op)) {
        compute_moments_in_bands(node, i);
      } else {
        compute_bands(node, i);
      }
      finish();
    }
  }

  /// A picture in bands of rows, and the moments of each band.
  void compute_bands(const Node& node, int index) {
    const std::int64_t pixels = pixels_of(shape(node.dst));
    const std::int64_t band = choice(node.dst).band;
    const std::vector<const Node*> moments = links_.moments_of(node.dst);
    banded_ = true;
    whole_weights_ = true;
    std::vector<ValueId> bands;
    std::vector<std::vector<ValueId>> sums(moments.size());
    for (std::int64_t begin = 0; begin < pixels; begin += band) {
      ValueId id = emit(node, {index, begin, std::min(pixels, begin + band)});
      for (std::size_t i = 0; i < moments.size(); ++i)
        sums[i].push_back(out_.add(moments[i]->op, {id}));
      if (choice(node.dst).in_file) id = out_.add(Spill{}, {id});
      bands.push_back(id);
      memo_.clear();
      fetched_.clear();
    }
    banded_ = false;
    whole_weights_ = false;
    set_picture(node, index, joined(bands));
    for (std::size_t i = 0; i < moments.size(); ++i)
      set_picture(*moments[i], index, joined(sums[i]));
  }

  void compute_moments_in_bands(const Node& node, int index) {
    const ValueId src = node.src[0];
    const std::int64_t pixels = pixels_of(shape(src));
    const std::int64_t band = choice(node.dst).band;
    banded_ = true;
    std::vector<ValueId> sums;
    for (std::int64_t begin = 0; begin < pixels; begin += band) {
      sums.push_back(
          out_.add(node.op, {get(src, Part{index, begin, std::min(pixels, begin + band)})}));
      memo_.clear();
      fetched_.clear();
    }
    banded_ = false;
    set_picture(node, index, joined(sums));
  }

  ValueId joined(const std::vector<ValueId>& parts) {
    return parts.size() == 1 ? parts[0] : out_.add(Concat{1}, parts);
  }

  void set_picture(const Node& node, int index, ValueId value) {
    State& state = states_[at(node.dst)];
    if (state.pictures.empty()) state.pictures.resize(at(shape(node.dst)[0]), -1);
    state.pictures[at(index)] = value;
    if (state.pictures.size() == 1 && !choice(node.dst).in_file) state.whole = value;
    state.done = std::none_of(state.pictures.begin(), state.pictures.end(),
                              [](ValueId id) { return id < 0; });
  }

  const Graph& graph_;
  const GraphLinks& links_;
  const LowerRules& rules_;
  const std::vector<ValueChoice>& choices_;
  std::vector<State> states_;

  Graph out_;
  std::vector<int> tags_;
  std::vector<int> epochs_;
  std::vector<ValueId> file_inputs_;
  int tag_ = -1;
  int epoch_ = 0;
  bool banded_ = false;
  bool whole_weights_ = false;
  std::map<std::pair<ValueId, Part>, ValueId> memo_;     // of this band
  std::map<std::pair<ValueId, Part>, ValueId> lasting_;  // small results, kept after all
  std::map<std::pair<ValueId, Part>, ValueId> fetched_;  // of this band
};

}  // namespace

Lowered lower(const Graph& original, const LowerRules& rules, const WeightFactsOf& facts,
              PlanLog* log) {
  const auto nodes_of = [](const auto& result) { return result.nodes().size(); };
  std::optional<Graph> split;
  if (rules.split_group_norms) {
    split = run_pass(
        log, Pass::kSplitGroupNorms, [&] { return split_group_norms(original); }, nodes_of);
    check_interface(original, *split, Pass::kSplitGroupNorms);
  }
  const Graph& graph = split ? *split : original;
  const GraphLinks links(graph);
  const std::vector<ValueChoice> choices = run_pass(
      log, Pass::kChoose, [&] { return choose(graph, links, rules, facts); },
      [&](const auto&) { return graph.nodes().size(); });
  if (log != nullptr) log->choices = to_string(graph, choices);
  Emitter::Emitted emitted = run_pass(
      log, Pass::kEmit, [&] { return Emitter(graph, links, rules, choices).run(); },
      [&](const auto& result) { return nodes_of(result.lowered.graph); });
  check_interface(graph, emitted.lowered.graph, Pass::kEmit);
  if (!rules.regroup) return std::move(emitted.lowered);
  Lowered lowered = run_pass(
      log, Pass::kRegroup, [&] { return regroup_pictures(emitted.lowered, emitted.pictures); },
      [&](const Lowered& result) { return nodes_of(result.graph); });
  check_interface(graph, lowered.graph, Pass::kRegroup);
  return lowered;
}

}  // namespace semblance
