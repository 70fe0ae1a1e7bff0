#include "graph/parts.h"

#include <array>

namespace semblance {
namespace {

/// The types of a node's sources, without an allocation.
class SmallTypes {
 public:
  SmallTypes(const Graph& graph, const Node& node) : count_(std::min(node.src.size(), kMost)) {
    for (std::size_t i = 0; i < count_; ++i) types_[i] = graph.type(node.src[i]);
  }
  operator Types() const { return {types_.data(), count_}; }

 private:
  static constexpr std::size_t kMost = 5;  // only Concat has more, and reads none
  std::array<TensorType, kMost> types_;
  std::size_t count_;
};

bool is_weight(const Graph& graph, ValueId value) {
  return graph.values()[static_cast<std::size_t>(value)].kind == ValueKind::kWeight;
}

/// Whether a weight is used as a picture: it cannot be cut.
bool has_pictured_weight(const Graph& graph, const Node& node) {
  for (std::size_t i = 0; i < node.src.size(); ++i) {
    if (!is_weight(graph, node.src[i]) || !is_pictured(graph.type(node.src[i]).shape)) continue;
    if (i == 1 && has_output_channels(node.op)) continue;
    return true;
  }
  return false;
}

}  // namespace

Cut cut_of(const Graph& graph, const Node& node) {
  const TensorType& dst = graph.type(node.dst);
  if (!is_pictured(dst.shape) || has_pictured_weight(graph, node)) return Cut::kWhole;
  const Cut cut = std::visit(
      [&](const auto& op) {
        if constexpr (requires { op.kCut; }) {
          return op.kCut;
        } else {
          return op.cut(SmallTypes(graph, node), dst);
        }
      },
      node.op);
  if (cut != Cut::kPixels) return cut;
  for (ValueId src : node.src) {
    if (!is_weight(graph, src) && !is_pictured(graph.type(src).shape)) return Cut::kWhole;
  }
  return Cut::kRows;
}

Reuse reuse_of(const Op& op) {
  return std::visit([](const auto& o) { return o.kReuse; }, op);
}

bool reads_whole_picture(const Op& op, std::size_t index) {
  return std::visit(
      [&](const auto& o) {
        if constexpr (requires { o.reads_whole_picture(index); }) {
          return o.reads_whole_picture(index);
        }
        return false;
      },
      op);
}

bool has_output_channels(const Op& op) {
  return std::visit(
      [](const auto& o) {
        if constexpr (requires { o.has_output_channels(); }) return o.has_output_channels();
        return false;
      },
      op);
}

std::vector<Part> sources_for(const Graph& graph, const Node& node, const Part& part) {
  std::vector<Part> parts(node.src.size());
  if (part.whole()) return parts;
  const TensorType& dst = graph.type(node.dst);
  std::visit(
      [&](const auto& op) {
        const auto part_of = [&](std::size_t i) {
          if (reads_whole_picture(node.op, i))
            return whole_picture(graph.type(node.src[i]).shape, part.picture);
          if constexpr (requires { op.source_part(i, Types{}, dst, part); }) {
            return op.source_part(i, SmallTypes(graph, node), dst, part);
          } else {
            return part;
          }
        };
        for (std::size_t i = 0; i < parts.size(); ++i) {
          if (!is_weight(graph, node.src[i])) parts[i] = part_of(i);
        }
      },
      node.op);
  return parts;
}

PartOp op_for(const Graph& graph, const Node& node, const Part& part) {
  PartOp result{node.op, part.begin, part.end};
  if (part.whole()) return result;
  const TensorType& dst = graph.type(node.dst);
  Part computed = part;
  std::visit(
      [&](auto& op) {
        if constexpr (requires { op.narrow(Types{}, dst, computed); }) {
          op.narrow(SmallTypes(graph, node), dst, computed);
        }
      },
      result.op);
  result.first = computed.begin;
  result.end = computed.end;
  return result;
}

}  // namespace semblance
