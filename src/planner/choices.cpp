#include "planner/choices.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/integers.h"

namespace semblance {
namespace {

bool is_heavy(const Op& op) { return reuse_of(op) == Reuse::kKeep; }
bool can_fuse(const Op& op) { return reuse_of(op) == Reuse::kFuse; }

/// Whether a value is the residual of a linear layer or convolution.
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

/// Whether a node needs whole pictures of a value for every part of its result.
bool is_read_whole(const Node& user, ValueId value) {
  for (std::size_t i = 0; i < user.src.size(); ++i) {
    if (user.src[i] == value && reads_whole_picture(user.op, i)) return true;
  }
  return false;
}

class Chooser {
 public:
  Chooser(const Graph& graph, const GraphLinks& links, const LowerRules& rules,
          const WeightFactsOf& facts)
      : graph_(graph),
        links_(links),
        rules_(rules),
        facts_(facts),
        choices_(graph.values().size()) {}

  std::vector<ValueChoice> run() {
    if (rules_.weight_bytes != LowerRules::kNoLimit) {
      for (const Node& node : graph_.nodes()) choices_[at(node.dst)].chunks = chunks_of(node);
    }
    find_kept();
    find_levels();
    for (const Node& node : graph_.nodes()) {
      ValueChoice& choice = choices_[at(node.dst)];
      const Shape& type = shape(node.dst);
      const bool is_alone =
          is_pictured(type) && type[0] == 1 && cut_of(graph_, node) != Cut::kWhole;
      if (choice.kept && (is_alone || choice.split)) choice.band = band_of(node);
    }
    return std::move(choices_);
  }

 private:
  const ValueInfo& info(ValueId value) const { return graph_.values()[at(value)]; }
  const Shape& shape(ValueId value) const { return info(value).type.shape; }

  /// Keeps results of heavy ops (with the ops fused after them), outputs, and what an op needs
  /// whole. Everything else is recomputed for every use.
  void find_kept() {
    std::vector<bool> heavy(graph_.values().size());  // follows a heavy op that is not kept
    for (const Node& node : graph_.nodes()) {
      ValueChoice& state = choices_[at(node.dst)];
      const Cut cut = cut_of(graph_, node);
      bool tainted = is_heavy(node.op) || cut == Cut::kWhole;
      for (ValueId src : node.src) {
        if (info(src).kind == ValueKind::kResult && !choices_[at(src)].kept && heavy[at(src)])
          tainted = true;
      }
      bool kept = links_.is_output(node.dst);
      for (int consumer : links_.consumers(node.dst)) {
        const Node& user = links_.node(consumer);
        const Cut user_cut = cut_of(graph_, user);
        if (user_cut == Cut::kWhole) kept = true;
        if (is_read_whole(user, node.dst)) kept = true;
        if (tainted && !can_fuse(user.op) && !is_residual(user, node.dst)) kept = true;
      }
      if (tainted && links_.consumers(node.dst).size() != 1) kept = true;
      if (cut == Cut::kWhole) kept = true;
      if (!is_pictured(shape(node.dst))) kept = true;
      state.kept = kept;
      heavy[at(node.dst)] = tainted;
      state.in_file = kept && cut == Cut::kRows && may_lie_in_file(node.dst) &&
                      !is_smaller_than_its_weight(node);
    }
    for (std::size_t i = 0; i < graph_.values().size(); ++i) {
      if (graph_.values()[i].kind != ValueKind::kInput) continue;
      choices_[i].kept = true;
      choices_[i].in_file = may_lie_in_file(static_cast<ValueId>(i));
    }
  }

  bool may_lie_in_file(ValueId value) const {
    if (!is_pictured(shape(value)) || links_.is_output(value)) return false;
    if (bytes_of(value, Part{0, 0, pixels_of(shape(value))}) <= rules_.file_bytes) return false;
    for (int consumer : links_.consumers(value)) {
      const Node& user = links_.node(consumer);
      if (cut_of(graph_, user) == Cut::kWhole) return false;
      if (is_read_whole(user, value)) return false;
    }
    return true;
  }

  /// Bands of a result in the file are computed with the whole weight in memory. If that is larger
  /// than the result, the file does not pay off.
  bool is_smaller_than_its_weight(const Node& node) const {
    const Node& heavy = heavy_of(node);
    return choices_[at(heavy.dst)].chunks > 1 &&
           facts_(graph_, heavy).packed_bytes >
               bytes_of(node.dst, Part{0, 0, pixels_of(shape(node.dst))});
  }

  std::uint64_t bytes_of(ValueId value, const Part& part) const {
    const TensorType& type = graph_.type(value);
    return part.whole() ? type.bytes() : TensorType{type.dtype, shape_of(type.shape, part)}.bytes();
  }

  /// Bytes held while a part of a value is computed, not counting kept values in memory.
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
      const ValueChoice& state = choices_[at(src)];
      if (state.kept) {
        if (state.in_file) bytes += bytes_of(src, parts[i]);
        in_place |= state.in_file && static_cast<int>(i) == over;
      } else {
        bytes += held_bytes(*links_.producer(src), parts[i]);
        in_place |= static_cast<int>(i) == over;
      }
    }
    const ValueChoice& state = choices_[at(node.dst)];
    if ((!state.kept || state.in_file) && !in_place) bytes += chunked_bytes(node, part);
    return bytes;
  }

  /// Operations of a part of a picture.
  Operations operations(const Node& node, const Part& part) const {
    const Shape& type = shape(node.dst);
    return graph_.cost(heavy_of(node)) * static_cast<double>(part.end - part.begin) /
           static_cast<double>(pixels_of(type) * type[0]);
  }

  /// Bytes of a result that is not kept; only one chunk of it if a Geglu follows.
  std::uint64_t chunked_bytes(const Node& node, const Part& part) const {
    const std::uint64_t bytes = bytes_of(node.dst, part);
    const auto& users = links_.consumers(node.dst);
    const bool gated = std::holds_alternative<Linear>(node.op) && users.size() == 1 &&
                       std::holds_alternative<Geglu>(graph_.nodes()[at(users[0])].op);
    return gated ? bytes / static_cast<std::uint64_t>(choices_[at(node.dst)].chunks) : bytes;
  }

  /// The number of ranges of output channels a node's weight is cut into.
  std::int64_t chunks_of(const Node& node) const {
    if (!has_output_channels(node.op)) return 1;
    const ValueInfo& weight = info(node.src[1]);
    if (weight.kind != ValueKind::kWeight || !weight.rows.empty()) return 1;
    const WeightFacts facts = facts_(graph_, node);
    if (!facts.is_exact_by_channels || facts.packed_bytes <= rules_.weight_bytes) return 1;
    const auto wanted = static_cast<std::int64_t>((facts.packed_bytes + rules_.weight_bytes - 1) /
                                                  rules_.weight_bytes);
    return std::max<std::int64_t>(1, std::min(wanted, shape(node.src[1])[0] / kChannelStep));
  }

  /// Finds the resolutions at which the batch is processed one picture at a time: those with at
  /// least as many pixels as the smallest one that would hold too much. Values that only they use
  /// are split, too.
  void find_levels() {
    std::int64_t split_pixels = std::numeric_limits<std::int64_t>::max();
    for (const Node& node : graph_.nodes()) {
      if (!may_split(node) || !choices_[at(node.dst)].kept ||
          rules_.batch_bytes == LowerRules::kNoLimit)
        continue;
      if (held_bytes(node, Part{}) > rules_.batch_bytes)
        split_pixels = std::min(split_pixels, pixels_of(shape(node.dst)));
    }
    for (auto node = graph_.nodes().rbegin(); node != graph_.nodes().rend(); ++node) {
      const bool moments = std::holds_alternative<GroupMoments>(node->op);
      const Shape& type = shape(moments ? node->src[0] : node->dst);
      bool split = may_split(*node) && (pixels_of(type) >= split_pixels ||
                                        choices_[at(node->dst)].in_file || reads_file(*node));
      if (!split && may_split(*node) && !links_.consumers(node->dst).empty()) {
        split = !links_.is_output(node->dst);
        for (int consumer : links_.consumers(node->dst))
          split = split && choices_[at(links_.node(consumer).dst)].split;
      }
      choices_[at(node->dst)].split = split;
    }
  }

  bool may_split(const Node& node) const {
    const Shape& type = shape(node.dst);
    return is_pictured(type) && type[0] > 1 && cut_of(graph_, node) != Cut::kWhole;
  }

  bool reads_file(const Node& node) const {
    for (ValueId src : node.src) {
      if (info(src).kind == ValueKind::kWeight) continue;
      const ValueChoice& state = choices_[at(src)];
      if (state.kept ? state.in_file : reads_file(*links_.producer(src))) return true;
    }
    return false;
  }

  /// The heavy node of a group of fused nodes.
  const Node& heavy_of(const Node& node) const {
    const Node* at_node = &node;
    while (!is_heavy(at_node->op)) {
      const Node* next = nullptr;
      for (ValueId src : at_node->src) {
        if (info(src).kind == ValueKind::kResult && !choices_[at(src)].kept) {
          const Node* inner = links_.producer(src);
          if (next == nullptr || is_heavy(inner->op)) next = inner;
        }
      }
      if (next == nullptr) return *at_node;
      at_node = next;
    }
    return *at_node;
  }

  /// Pixels of a picture computed at a time if fewer than all or if they go to the file, else 0.
  std::int64_t band_of(const Node& node) const {
    if (std::holds_alternative<GroupMoments>(node.op)) return band_of_moments(node);
    if (cut_of(graph_, node) != Cut::kRows) return 0;
    const ValueChoice& choice = choices_[at(node.dst)];
    const std::int64_t pixels = pixels_of(shape(node.dst));
    const Part all{0, 0, pixels};
    const std::uint64_t held = held_bytes(node, all);
    const Node& heavy = heavy_of(node);
    const std::int64_t chunks = choices_[at(heavy.dst)].chunks;
    const bool is_long =
        operations(node, all) > static_cast<double>(chunks) * rules_.slice_operations;
    if (held <= rules_.slice_bytes && !is_long && !choice.in_file) return 0;
    // For a large weight, reading it in parts for a whole picture beats holding it for bands.
    if (!choice.in_file && chunks > 1 && held <= facts_(graph_, heavy).packed_bytes) return 0;
    std::int64_t unit = unit_of(node);
    for (const Node* user : links_.moments_of(node.dst))
      unit = std::max(unit, std::get<GroupMoments>(user->op).chunk_pixels);
    const std::int64_t band = largest_band(node, pixels, unit);
    if (band >= pixels && !choice.in_file) return 0;
    return std::min(band, pixels);
  }

  std::int64_t band_of_moments(const Node& node) const {
    const ValueId src = node.src[0];
    const std::int64_t pixels = pixels_of(shape(src));
    const auto held = [&](std::int64_t count) {
      const Part part{0, 0, count};
      if (!choices_[at(src)].kept) return held_bytes(*links_.producer(src), part);
      return choices_[at(src)].in_file ? bytes_of(src, part) : 0;
    };
    if (held(pixels) <= rules_.slice_bytes) return 0;
    std::int64_t band = std::get<GroupMoments>(node.op).chunk_pixels;
    while (band < pixels && held(std::min(pixels, 2 * band)) <= rules_.slice_bytes) band *= 2;
    return band;
  }

  /// Bands of a group must be multiples of this many pixels: the widest row among its values with
  /// the same number of pixels.
  std::int64_t unit_of(const Node& node) const {
    const Shape& type = shape(node.dst);
    std::int64_t unit = row_of(type);
    for (ValueId src : node.src) {
      if (info(src).kind != ValueKind::kResult && info(src).kind != ValueKind::kInput) continue;
      const Shape& from = shape(src);
      if (!is_pictured(from) || pixels_of(from) != pixels_of(type)) continue;
      unit = std::max(unit, row_of(from));
      if (!choices_[at(src)].kept) unit = std::max(unit, unit_of(*links_.producer(src)));
    }
    return unit;
  }

  std::int64_t largest_band(const Node& node, std::int64_t pixels, std::int64_t unit) const {
    std::int64_t units = 1;
    const auto fits = [&](std::int64_t count) {
      // In the middle of the picture, with a halo on both sides.
      const std::int64_t size = std::min(pixels, count * unit);
      const std::int64_t begin = (pixels - size) / 2 / unit * unit;
      const Part part{0, begin, begin + size};
      return held_bytes(node, part) <= rules_.slice_bytes &&
             operations(node, part) <= rules_.slice_operations;
    };
    while (units * unit < pixels && fits(units * 2)) units *= 2;
    for (std::int64_t step = units / 2; step > 0; step /= 2) {
      if (fits(units + step)) units += step;
    }
    // Bands of equal size share kernels.
    const std::int64_t all = (pixels + unit - 1) / unit;
    const std::int64_t count = (all + units - 1) / units;
    return (all + count - 1) / count * unit;
  }

  const Graph& graph_;
  const GraphLinks& links_;
  const LowerRules& rules_;
  const WeightFactsOf& facts_;
  std::vector<ValueChoice> choices_;
};

}  // namespace

GraphLinks::GraphLinks(const Graph& graph)
    : graph_(graph), consumers_(graph.values().size()), is_output_(graph.values().size()) {
  for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
    for (ValueId src : graph.nodes()[n].src) consumers_[at(src)].push_back(static_cast<int>(n));
  }
  for (const auto& [name, value] : graph.outputs()) is_output_[at(value)] = true;
}

const Node* GraphLinks::producer(ValueId value) const {
  const int node = graph_.values()[at(value)].producer;
  return node < 0 ? nullptr : &graph_.nodes()[at(node)];
}

std::vector<const Node*> GraphLinks::moments_of(ValueId value) const {
  std::vector<const Node*> nodes;
  for (int consumer : consumers(value)) {
    if (std::holds_alternative<GroupMoments>(node(consumer).op)) nodes.push_back(&node(consumer));
  }
  return nodes;
}

std::vector<ValueChoice> choose(const Graph& graph, const GraphLinks& links,
                                const LowerRules& rules, const WeightFactsOf& facts) {
  return Chooser(graph, links, rules, facts).run();
}

std::string to_string(const Graph& graph, const std::vector<ValueChoice>& choices) {
  std::string text;
  int whole = 0;
  for (const Node& node : graph.nodes()) {
    const ValueChoice& choice = choices[at(node.dst)];
    if (!choice.kept) continue;
    if (!choice.split && choice.band == 0 && choice.chunks == 1 && !choice.in_file) {
      ++whole;
      continue;
    }
    const TensorType& type = graph.type(node.dst);
    text += fmt::format("%{} {} {}", node.dst, name_of(node.op), to_string(type));
    if (choice.split) text += ", picture by picture";
    if (choice.band > 0) {
      const std::int64_t pixels = pixels_of(type.shape);
      text += fmt::format(", in {} bands of {} pixels", (pixels + choice.band - 1) / choice.band,
                          choice.band);
    }
    if (choice.chunks > 1) text += fmt::format(", its weight in {} parts", choice.chunks);
    if (choice.in_file) text += ", in the scratch file";
    text += '\n';
  }
  return text + fmt::format("{} in one piece\n", whole);
}

}  // namespace semblance
