#include "planner/lower.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "core/integers.h"
#include "planner/regroup.h"
#include "planner/rows.h"

namespace semblance {
namespace {

/// Results that cost too much to be computed twice.
bool is_heavy(const Op& op) {
  return !is_one_of<Unary, Binary, Affine, Convert, Concat, Upsample, Geglu, Reshape, GroupScale,
                    LayerNorm, PRelu, BatchNorm>(op);
}

/// Ops that may end the group of a heavy op: they need of its result the pixels they give.
bool ends_group(const Op& op) {
  return is_one_of<Unary, Binary, Affine, Convert, Geglu, Reshape, PRelu, BatchNorm>(op);
}

/// Whether a value is what a linear layer or convolution adds to its result.
bool is_residual(const Node& user, ValueId value) {
  return std::visit(
      [&](const auto& op) {
        if constexpr (requires { op.has_residual; }) {
          return op.has_residual && user.src.back() == value && user.src[0] != value;
        }
        return false;
      },
      user.op);
}

/// GroupNorm in its two halves, so that the first can see a picture in bands.
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

class Lowering {
 public:
  Lowering(const Graph& graph, const LowerRules& rules, const WeightFactsOf& facts)
      : graph_(graph),
        rules_(rules),
        facts_(facts),
        consumers_(graph.values().size()),
        uses_(graph.values().size()),
        states_(graph.values().size()) {}

  Lowered run() {
    find_consumers();
    find_kept();
    find_levels();
    for (std::size_t i = 0; i < graph_.values().size(); ++i) {
      if (graph_.values()[i].kind == ValueKind::kInput) add_input(static_cast<ValueId>(i));
    }
    for (const Node& node : graph_.nodes()) {
      const State& state = states_[at(node.dst)];
      if (state.kept && !state.done) compute(node);
    }
    for (const auto& [name, value] : graph_.outputs()) {
      set_tag(-1);
      out_.add_output(name, whole(value));
      note_nodes();
    }
    return regroup_pictures(std::move(out_), tags_, std::move(epochs_), std::move(file_inputs_));
  }

 private:
  struct State {
    bool kept = false;     // computed as a whole before anything uses it
    bool in_file = false;  // and lies in the scratch file
    bool done = false;
    ValueId whole = -1;             // in memory
    std::vector<ValueId> pictures;  // [1,...] each; in memory, or in the file
  };

  const ValueInfo& info(ValueId value) const { return graph_.values()[at(value)]; }
  const Shape& shape(ValueId value) const { return info(value).type.shape; }
  const Node* producer(ValueId value) const {
    const int node = info(value).producer;
    return node < 0 ? nullptr : &graph_.nodes()[at(node)];
  }

  void find_consumers() {
    for (std::size_t n = 0; n < graph_.nodes().size(); ++n) {
      for (ValueId src : graph_.nodes()[n].src) consumers_[at(src)].push_back(static_cast<int>(n));
    }
    for (const auto& [name, value] : graph_.outputs()) ++uses_[at(value)];
  }

  /// What is kept: results of heavy ops (with what ends their group), outputs, and what an op
  /// needs whole. All else is computed where it is needed.
  void find_kept() {
    std::vector<bool> heavy(graph_.values().size());  // has a heavy op behind it that is not kept
    for (const Node& node : graph_.nodes()) {
      State& state = states_[at(node.dst)];
      const Cut cut = cut_of(graph_, node);
      bool tainted = is_heavy(node.op) || cut == Cut::kWhole;
      for (ValueId src : node.src) {
        if (info(src).kind == ValueKind::kResult && !states_[at(src)].kept && heavy[at(src)])
          tainted = true;
      }
      bool kept = uses_[at(node.dst)] > 0;
      for (int consumer : consumers_[at(node.dst)]) {
        const Node& user = graph_.nodes()[at(consumer)];
        const Cut user_cut = cut_of(graph_, user);
        if (user_cut == Cut::kWhole) kept = true;
        if (std::holds_alternative<Attention>(user.op) && user.src[0] != node.dst) kept = true;
        if (tainted && !ends_group(user.op) && !is_residual(user, node.dst)) kept = true;
      }
      if (tainted && consumers_[at(node.dst)].size() != 1) kept = true;
      if (cut == Cut::kWhole) kept = true;
      if (!is_pictured(shape(node.dst))) kept = true;
      state.kept = kept;
      heavy[at(node.dst)] = tainted;
      state.in_file = kept && cut == Cut::kRows && may_lie_in_file(node.dst) &&
                      !is_smaller_than_its_weight(node);
    }
    for (std::size_t i = 0; i < graph_.values().size(); ++i) {
      if (graph_.values()[i].kind != ValueKind::kInput) continue;
      states_[i].kept = true;
      states_[i].in_file = may_lie_in_file(static_cast<ValueId>(i));
    }
  }

  bool may_lie_in_file(ValueId value) const {
    if (!is_pictured(shape(value)) || uses_[at(value)] > 0) return false;
    if (bytes_of(value, Part{0, 0, pixels_of(shape(value))}) <= rules_.file_bytes) return false;
    for (int consumer : consumers_[at(value)]) {
      const Node& user = graph_.nodes()[at(consumer)];
      if (cut_of(graph_, user) == Cut::kWhole) return false;
      // Keys and values are read whole for every band of queries.
      if (std::holds_alternative<Attention>(user.op) && user.src[0] != value) return false;
    }
    return true;
  }

  /// Bands of what lies in the file are computed beside the whole weight: not worth it then.
  bool is_smaller_than_its_weight(const Node& node) const {
    const Node& heavy = heavy_of(node);
    return chunks_of(heavy) > 1 && facts_(graph_, heavy).packed_bytes >
                                       bytes_of(node.dst, Part{0, 0, pixels_of(shape(node.dst))});
  }

  std::uint64_t bytes_of(ValueId value, const Part& part) const {
    const TensorType& type = graph_.type(value);
    return part.whole() ? type.bytes() : TensorType{type.dtype, shape_of(type.shape, part)}.bytes();
  }

  /// What is held while a part of a value is computed, beside the kept values in memory.
  std::uint64_t held_bytes(const Node& node, const Part& wanted) const {
    std::uint64_t bytes = 0;
    Part part = wanted;
    if (!part.whole() && cut_of(graph_, node) == Cut::kPictures &&
        !std::holds_alternative<GroupMoments>(node.op))
      part = {part.picture, 0, pixels_of(shape(node.dst))};
    const std::vector<Part> parts = sources_for(graph_, node, part);
    const int over = std::visit([](const auto& op) { return op.may_overwrite(); }, node.op);
    bool in_place = std::holds_alternative<Reshape>(node.op);
    for (std::size_t i = 0; i < node.src.size(); ++i) {
      const ValueId src = node.src[i];
      if (info(src).kind == ValueKind::kWeight) continue;
      const State& state = states_[at(src)];
      if (state.kept) {
        if (state.in_file) bytes += bytes_of(src, parts[i]);
        in_place |= state.in_file && static_cast<int>(i) == over;
      } else {
        bytes += held_bytes(*producer(src), parts[i]);
        in_place |= static_cast<int>(i) == over;
      }
    }
    const State& state = states_[at(node.dst)];
    if ((!state.kept || state.in_file) && !in_place) bytes += chunked_bytes(node, part);
    return bytes;
  }

  /// Operations of a part of a picture.
  Operations operations(const Node& node, const Part& part) const {
    const Shape& type = shape(node.dst);
    return graph_.cost(heavy_of(node)) * static_cast<double>(part.end - part.begin) /
           static_cast<double>(pixels_of(type) * type[0]);
  }

  /// Bytes of a result that is not kept; a chunk of it where it ends in Geglu.
  std::uint64_t chunked_bytes(const Node& node, const Part& part) const {
    const std::uint64_t bytes = bytes_of(node.dst, part);
    const auto& users = consumers_[at(node.dst)];
    const bool gated = std::holds_alternative<Linear>(node.op) && users.size() == 1 &&
                       std::holds_alternative<Geglu>(graph_.nodes()[at(users[0])].op);
    return gated ? bytes / static_cast<std::uint64_t>(chunks_of(node)) : bytes;
  }

  /// Into how many parts of output channels a node's weight is cut.
  std::int64_t chunks_of(const Node& node) const {
    if (rules_.weight_bytes == LowerRules::kNoLimit || !is_one_of<Linear, Conv2d>(node.op))
      return 1;
    const ValueInfo& weight = info(node.src[1]);
    if (weight.kind != ValueKind::kWeight || !weight.rows.empty()) return 1;
    if (const auto* conv = std::get_if<Conv2d>(&node.op); conv != nullptr && conv->groups != 1)
      return 1;
    auto found = chunks_.find(node.dst);
    if (found != chunks_.end()) return found->second;
    const WeightFacts facts = facts_(graph_, node);
    const std::int64_t channels = shape(node.src[1])[0];
    std::int64_t count = 1;
    if (facts.keeps_bits_by_channels && facts.packed_bytes > rules_.weight_bytes) {
      const auto wanted = static_cast<std::int64_t>((facts.packed_bytes + rules_.weight_bytes - 1) /
                                                    rules_.weight_bytes);
      count = std::max<std::int64_t>(1, std::min(wanted, channels / kChannelStep));
    }
    chunks_[node.dst] = count;
    return count;
  }

  /// Levels of pictures of which no two are held at once: from the least number of pixels on at
  /// which something would hold too much; and what only they use.
  void find_levels() {
    split_.resize(graph_.values().size());
    std::int64_t split_pixels = std::numeric_limits<std::int64_t>::max();
    for (const Node& node : graph_.nodes()) {
      if (!may_split(node) || !states_[at(node.dst)].kept ||
          rules_.batch_bytes == LowerRules::kNoLimit)
        continue;
      if (held_bytes(node, Part{}) > rules_.batch_bytes)
        split_pixels = std::min(split_pixels, pixels_of(shape(node.dst)));
    }
    for (auto node = graph_.nodes().rbegin(); node != graph_.nodes().rend(); ++node) {
      const bool moments = std::holds_alternative<GroupMoments>(node->op);
      const Shape& type = shape(moments ? node->src[0] : node->dst);
      bool split = may_split(*node) && (pixels_of(type) >= split_pixels ||
                                        states_[at(node->dst)].in_file || reads_file(*node));
      if (!split && may_split(*node) && !consumers_[at(node->dst)].empty()) {
        split = uses_[at(node->dst)] == 0;
        for (int consumer : consumers_[at(node->dst)])
          split = split && split_[at(graph_.nodes()[at(consumer)].dst)];
      }
      split_[at(node->dst)] = split;
    }
  }

  bool may_split(const Node& node) const {
    const Shape& type = shape(node.dst);
    return is_pictured(type) && type[0] > 1 && cut_of(graph_, node) != Cut::kWhole;
  }

  bool is_split(const Node& node) const { return split_[at(node.dst)]; }

  bool reads_file(const Node& node) const {
    for (ValueId src : node.src) {
      if (info(src).kind == ValueKind::kWeight) continue;
      const State& state = states_[at(src)];
      if (state.kept ? state.in_file : reads_file(*producer(src))) return true;
    }
    return false;
  }

  // ---- emission

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
    if (!state.in_file) {
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

  /// A picture of a kept value, in memory or in the file as it lies.
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
    if (state.in_file) {
      for (ValueId& id : pictures) id = out_.add(Fetch{}, {id});
    }
    const ValueId joined = pictures.size() == 1 ? pictures[0] : out_.add(Concat{0}, pictures);
    if (!state.in_file) {
      state.whole = joined;
      state.pictures.clear();  // from now on views of the whole
    }
    return joined;
  }

  /// A part of any value, in memory.
  ValueId get(ValueId value, const Part& part) {
    const ValueInfo& source = info(value);
    if (source.kind == ValueKind::kWeight)
      return out_.add_weight(source.name, source.type, source.rows);
    const State& state = states_[at(value)];
    if (!state.kept) return emit(*producer(value), part);
    SEMBLANCE_ASSERT(state.done);
    if (part.whole()) return whole(value);
    const auto key = std::pair(value, part);
    if (state.in_file) {
      if (auto found = fetched_.find(key); found != fetched_.end()) return found->second;
    }
    const ValueId id = row_slice(picture(value, part.picture), part.begin, part.end);
    if (!state.in_file) return id;
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
    if (!states_[at(node.dst)].kept) {
      if (auto found = memo_.find(key); found != memo_.end()) return found->second;
      if (auto found = lasting_.find(key); found != lasting_.end()) return found->second;
    }
    const ValueId id = emit_new(node, part);
    if (!states_[at(node.dst)].kept) {
      const bool lasts = !banded_ && (rules_.slice_bytes == LowerRules::kNoLimit ||
                                      bytes_of(node.dst, part) <= rules_.slice_bytes / 2);
      (lasts ? lasting_ : memo_)[key] = id;
    }
    return id;
  }

  ValueId emit_new(const Node& node, const Part& part) {
    if (std::holds_alternative<Geglu>(node.op)) {
      const Node* inner = producer(node.src[0]);
      if (inner != nullptr && !states_[at(node.src[0])].kept &&
          std::holds_alternative<Linear>(inner->op) && !std::get<Linear>(inner->op).has_residual &&
          !whole_weights_ && chunks_of(*inner) > 1)
        return emit_gated(*inner, part);
    }
    if (!whole_weights_ && chunks_of(node) > 1) return emit_chunks(node, part);
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

  /// Channels of chunk i of `count`, multiples of kChannelStep but at the end.
  static std::pair<std::int64_t, std::int64_t> chunk_range(std::int64_t channels,
                                                           std::int64_t count, std::int64_t i) {
    const std::int64_t steps = (channels + kChannelStep - 1) / kChannelStep;
    const std::int64_t each = (steps + count - 1) / count * kChannelStep;
    return {std::min(channels, i * each), std::min(channels, (i + 1) * each)};
  }

  /// A linear layer or convolution by ranges of output channels.
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
    // A residual that dies here is what the parts are pasted over.
    ValueId result =
        has_residual ? residual : out_.add(Blank{type.dtype, sizes_of(type.shape)}, {});
    const std::int64_t channels = type.shape[-1];
    const std::int64_t count = chunks_of(node);
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

  /// geglu(linear(x)) by ranges of its channels: those of both halves of the linear layer together.
  ValueId emit_gated(const Node& linear, const Part& part) {
    const bool has_bias = std::get<Linear>(linear.op).has_bias;
    const std::vector<Part> parts = sources_for(graph_, linear, part);
    const ValueId x = get(linear.src[0], parts[0]);
    const Shape shape_of_linear = shape_of(shape(linear.dst), part);
    const std::int64_t channels = shape_of_linear[-1] / 2;
    const TensorType type{graph_.type(linear.dst).dtype, shape_of_linear.with(-1, channels)};
    ValueId result = out_.add(Blank{type.dtype, sizes_of(type.shape)}, {});
    const std::int64_t count = chunks_of(linear);
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

  // ---- groups

  /// The heavy node whose weight a group holds.
  const Node& heavy_of(const Node& node) const {
    const Node* at_node = &node;
    while (!is_heavy(at_node->op)) {
      const Node* next = nullptr;
      for (ValueId src : at_node->src) {
        if (info(src).kind == ValueKind::kResult && !states_[at(src)].kept) {
          const Node* inner = producer(src);
          if (next == nullptr || is_heavy(inner->op)) next = inner;
        }
      }
      if (next == nullptr) return *at_node;
      at_node = next;
    }
    return *at_node;
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
    if (!alone && !is_split(node)) {
      set_tag(-1);
      state.whole = emit(node, Part{});
      finish();
      state.done = true;
      return;
    }
    for (int i = 0; i < type[0]; ++i) {
      set_tag(type[0] > 1 ? i : -1);
      if (!compute_picture(node, i)) set_picture(node, i, emit(node, Part{i, 0, pixels_of(type)}));
      finish();
    }
  }

  /// A picture in bands of rows, where that is asked for; else false, and nothing is done.
  bool compute_picture(const Node& node, int index) {
    State& state = states_[at(node.dst)];
    if (std::holds_alternative<GroupMoments>(node.op)) return compute_moments(node, index);
    if (cut_of(graph_, node) != Cut::kRows) return false;
    const std::int64_t pixels = pixels_of(shape(node.dst));
    const Part all{index, 0, pixels};
    const std::uint64_t held = held_bytes(node, all);
    const Node& heavy = heavy_of(node);
    const std::int64_t chunks = chunks_of(heavy);
    const bool is_long =
        operations(node, all) > static_cast<double>(chunks) * rules_.slice_operations;
    if (held <= rules_.slice_bytes && !is_long && !state.in_file) return false;
    // A large weight is better read in parts under a whole picture than held beside bands of it.
    if (!state.in_file && chunks > 1 && held <= facts_(graph_, heavy).packed_bytes) return false;

    const std::vector<const Node*> moments = moments_of(node.dst);
    std::int64_t unit = unit_of(node);
    for (const Node* user : moments)
      unit = std::max(unit, std::get<GroupMoments>(user->op).chunk_pixels);
    std::int64_t band = largest_band(node, index, pixels, unit);
    if (band >= pixels && !state.in_file) return false;
    band = std::min(band, pixels);

    banded_ = true;
    whole_weights_ = true;
    std::vector<ValueId> bands;
    std::vector<std::vector<ValueId>> sums(moments.size());
    for (std::int64_t begin = 0; begin < pixels; begin += band) {
      const Part part{index, begin, std::min(pixels, begin + band)};
      ValueId id = emit(node, part);
      for (std::size_t i = 0; i < moments.size(); ++i)
        sums[i].push_back(out_.add(moments[i]->op, {id}));
      if (state.in_file) id = out_.add(Spill{}, {id});
      bands.push_back(id);
      memo_.clear();
      fetched_.clear();
    }
    banded_ = false;
    whole_weights_ = false;
    set_picture(node, index, joined(bands));
    for (std::size_t i = 0; i < moments.size(); ++i)
      set_picture(*moments[i], index, joined(sums[i]));
    return true;
  }

  ValueId joined(const std::vector<ValueId>& parts) {
    return parts.size() == 1 ? parts[0] : out_.add(Concat{1}, parts);
  }

  void set_picture(const Node& node, int index, ValueId value) {
    State& state = states_[at(node.dst)];
    if (state.pictures.empty()) state.pictures.resize(at(shape(node.dst)[0]), -1);
    state.pictures[at(index)] = value;
    if (state.pictures.size() == 1 && !state.in_file) state.whole = value;
    state.done = std::none_of(state.pictures.begin(), state.pictures.end(),
                              [](ValueId id) { return id < 0; });
  }

  std::vector<const Node*> moments_of(ValueId value) const {
    std::vector<const Node*> nodes;
    for (int consumer : consumers_[at(value)]) {
      const Node& node = graph_.nodes()[at(consumer)];
      if (std::holds_alternative<GroupMoments>(node.op)) nodes.push_back(&node);
    }
    return nodes;
  }

  bool compute_moments(const Node& node, int index) {
    const ValueId src = node.src[0];
    const std::int64_t pixels = pixels_of(shape(src));
    const std::int64_t unit = std::get<GroupMoments>(node.op).chunk_pixels;
    const std::uint64_t limit = rules_.slice_bytes;
    const auto held = [&](std::int64_t count) {
      const Part part{index, 0, count};
      if (!states_[at(src)].kept) return held_bytes(*producer(src), part);
      return states_[at(src)].in_file ? bytes_of(src, part) : 0;
    };
    if (held(pixels) <= limit) return false;
    std::int64_t band = unit;
    while (band < pixels && held(std::min(pixels, 2 * band)) <= limit) band *= 2;
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
    return true;
  }

  /// Pixels that bands of a group must be multiples of: the widest row of what has as many pixels.
  std::int64_t unit_of(const Node& node) const {
    const Shape& type = shape(node.dst);
    std::int64_t unit = row_of(type);
    for (ValueId src : node.src) {
      if (info(src).kind != ValueKind::kResult && info(src).kind != ValueKind::kInput) continue;
      const Shape& from = shape(src);
      if (!is_pictured(from) || pixels_of(from) != pixels_of(type)) continue;
      unit = std::max(unit, row_of(from));
      if (!states_[at(src)].kept) unit = std::max(unit, unit_of(*producer(src)));
    }
    return unit;
  }

  std::int64_t largest_band(const Node& node, int index, std::int64_t pixels,
                            std::int64_t unit) const {
    std::int64_t units = 1;
    const auto fits = [&](std::int64_t count) {
      // In the middle, where there is a halo on both sides.
      const std::int64_t size = std::min(pixels, count * unit);
      const std::int64_t begin = (pixels - size) / 2 / unit * unit;
      const Part part{index, begin, begin + size};
      return held_bytes(node, part) <= rules_.slice_bytes &&
             operations(node, part) <= rules_.slice_operations;
    };
    while (units * unit < pixels && fits(units * 2)) units *= 2;
    for (std::int64_t step = units / 2; step > 0; step /= 2) {
      if (fits(units + step)) units += step;
    }
    // Bands of one size, so that they share kernels.
    const std::int64_t all = (pixels + unit - 1) / unit;
    const std::int64_t count = (all + units - 1) / units;
    return (all + count - 1) / count * unit;
  }

  const Graph& graph_;
  LowerRules rules_;
  const WeightFactsOf& facts_;
  std::vector<std::vector<int>> consumers_;
  std::vector<int> uses_;  // as an output
  std::vector<State> states_;
  std::vector<bool> split_;  // whose pictures are computed one after the other
  mutable std::map<ValueId, std::int64_t> chunks_;

  Graph out_;
  std::vector<int> tags_;
  std::vector<int> epochs_;
  std::vector<ValueId> file_inputs_;
  int tag_ = -1;
  int epoch_ = 0;
  bool banded_ = false;
  bool whole_weights_ = false;
  std::map<std::pair<ValueId, Part>, ValueId> memo_;     // of this band
  std::map<std::pair<ValueId, Part>, ValueId> lasting_;  // cheap results that are kept after all
  std::map<std::pair<ValueId, Part>, ValueId> fetched_;  // of this band
};

}  // namespace

Lowered lower(const Graph& graph, const LowerRules& rules, const WeightFactsOf& facts) {
  const Graph split = split_group_norms(graph);
  return Lowering(split, rules, facts).run();
}

}  // namespace semblance
