#include "planner/rows.h"

#include <algorithm>

namespace semblance {
namespace {

struct Range {
  std::int64_t begin, end;
};

/// Ops of which every pixel of the result needs the same pixel of every pictured source.
bool is_by_pixel(const Op& op) {
  return is_one_of<Unary, Affine, PRelu, BatchNorm, Convert, Geglu, LayerNorm, Linear, GroupScale,
                   Paste>(op);
}

bool keeps_pixels(const Graph& graph, const Node& node) {
  const Shape& x = graph.type(node.src[0]).shape;
  const Shape& y = graph.type(node.dst).shape;
  return is_pictured(x) && is_pictured(y) && x[0] == y[0] && x[-1] == y[-1];
}

bool broadcasts_by_picture(const Graph& graph, const Node& node) {
  const Shape& dst = graph.type(node.dst).shape;
  for (ValueId src : node.src) {
    const Shape& shape = graph.type(src).shape;
    if (shape.rank() < 3) {
      if (shape.rank() > 1) return false;
      continue;
    }
    if (shape.rank() != dst.rank() || (shape[0] != dst[0] && shape[0] != 1)) return false;
    const std::int64_t pixels = pixels_of(shape);
    if (pixels != 1 && (pixels != pixels_of(dst) || row_of(shape) != row_of(dst))) return false;
  }
  return true;
}

/// Source rows under result rows of a sliding window, before they are cut off at the edges.
Range window(Range rows, std::int64_t stride, std::int64_t before, std::int64_t reach) {
  return {rows.begin * stride - before, (rows.end - 1) * stride - before + reach};
}

Range conv_window(const Graph& graph, const Node& node, Range rows) {
  const auto& op = std::get<Conv2d>(node.op);
  const std::int64_t kernel = graph.type(node.src[1]).shape[2];
  return window(rows, op.stride[0], op.pad[0], op.dilation[0] * (kernel - 1) + 1);
}

Range rows_of(const Graph& graph, ValueId value, const Part& part) {
  const std::int64_t row = row_of(graph.type(value).shape);
  return {part.begin / row, (part.end + row - 1) / row};
}

Part part_of_rows(const Graph& graph, ValueId value, int picture, Range rows) {
  const Shape& shape = graph.type(value).shape;
  return {picture, std::max<std::int64_t>(0, rows.begin) * row_of(shape),
          std::min(rows.end, shape[1]) * row_of(shape)};
}

Part whole_picture(const Graph& graph, ValueId value, int picture) {
  const Shape& shape = graph.type(value).shape;
  return {shape[0] == 1 ? 0 : picture, 0, pixels_of(shape)};
}

std::int64_t upsample_factor(const Graph& graph, const Node& node) {
  return graph.type(node.dst).shape[1] / graph.type(node.src[0]).shape[1];
}

/// Whether a weight stands where a picture does: it is not cut.
bool has_pictured_weight(const Graph& graph, const Node& node) {
  for (std::size_t i = 0; i < node.src.size(); ++i) {
    const ValueInfo& info = graph.values()[static_cast<std::size_t>(node.src[i])];
    if (info.kind != ValueKind::kWeight || !is_pictured(info.type.shape)) continue;
    if (i == 1 && is_one_of<Conv2d, Linear>(node.op)) continue;
    return true;
  }
  return false;
}

}  // namespace

bool is_pictured(const Shape& shape) {
  return (shape.rank() == 3 || shape.rank() == 4) && shape.elements() > 0;
}
std::int64_t pixels_of(const Shape& shape) {
  return shape.rank() == 4 ? shape[1] * shape[2] : shape[1];
}
std::int64_t row_of(const Shape& shape) { return shape.rank() == 4 ? shape[2] : 1; }

Shape shape_of(const Shape& whole, const Part& part) {
  if (part.whole()) return whole;
  return whole.with(0, 1).with(1, (part.end - part.begin) / row_of(whole));
}

Cut cut_of(const Graph& graph, const Node& node) {
  const Shape& dst = graph.type(node.dst).shape;
  const Op& op = node.op;
  if (!is_pictured(dst) || has_pictured_weight(graph, node)) return Cut::kWhole;
  if (is_by_pixel(op)) {
    for (ValueId src : node.src) {
      if (graph.values()[static_cast<std::size_t>(src)].kind != ValueKind::kWeight &&
          !is_pictured(graph.type(src).shape))
        return Cut::kWhole;
    }
    return Cut::kRows;
  }
  if (is_one_of<Conv2d>(op)) return Cut::kRows;
  if (is_one_of<Binary>(op)) return broadcasts_by_picture(graph, node) ? Cut::kRows : Cut::kWhole;
  if (const auto* concat = std::get_if<Concat>(&op))
    return dst.place_of(concat->axis) == dst.rank() - 1 ? Cut::kRows : Cut::kWhole;
  if (std::holds_alternative<Reshape>(op))
    return keeps_pixels(graph, node) ? Cut::kRows : Cut::kWhole;
  if (const auto* attention = std::get_if<Attention>(&op))
    return attention->causal ? Cut::kPictures : Cut::kRows;
  if (std::holds_alternative<Upsample>(op)) {
    return dst[1] % graph.type(node.src[0]).shape[1] == 0 ? Cut::kRows : Cut::kPictures;
  }
  if (std::holds_alternative<GroupMoments>(op)) return Cut::kPictures;
  return Cut::kWhole;
}

std::vector<Part> sources_for(const Graph& graph, const Node& node, const Part& part) {
  std::vector<Part> parts(node.src.size());
  if (part.whole()) return parts;
  for (std::size_t i = 0; i < node.src.size(); ++i) {
    const ValueId src = node.src[i];
    const ValueInfo& info = graph.values()[static_cast<std::size_t>(src)];
    if (info.kind == ValueKind::kWeight) continue;
    const Shape& shape = info.type.shape;
    if (std::holds_alternative<Conv2d>(node.op)) {
      parts[i] = i == 0 ? part_of_rows(graph, src, part.picture,
                                       conv_window(graph, node, rows_of(graph, node.dst, part)))
                        : part;
    } else if (std::holds_alternative<Upsample>(node.op) && part.begin >= 0 &&
               cut_of(graph, node) == Cut::kRows) {
      const std::int64_t factor = upsample_factor(graph, node);
      const Range rows = rows_of(graph, node.dst, part);
      parts[i] = part_of_rows(graph, src, part.picture,
                              {rows.begin / factor, (rows.end + factor - 1) / factor});
    } else if (std::holds_alternative<GroupMoments>(node.op) ||
               std::holds_alternative<Upsample>(node.op) ||
               (std::holds_alternative<Attention>(node.op) && i > 0) ||
               (std::holds_alternative<GroupScale>(node.op) && i == 1)) {
      parts[i] = whole_picture(graph, src, part.picture);
    } else if (std::holds_alternative<Binary>(node.op)) {
      if (shape.rank() < 3) continue;
      parts[i] = pixels_of(shape) == 1 && part.end - part.begin > 0 &&
                         pixels_of(graph.type(node.dst).shape) != 1
                     ? whole_picture(graph, src, part.picture)
                     : Part{shape[0] == 1 ? 0 : part.picture, part.begin, part.end};
    } else {
      parts[i] = part;
    }
  }
  return parts;
}

PartOp op_for(const Graph& graph, const Node& node, const Part& part) {
  PartOp result{node.op, part.begin, part.end};
  if (part.whole()) return result;
  if (auto* conv = std::get_if<Conv2d>(&result.op)) {
    const Range rows = conv_window(graph, node, rows_of(graph, node.dst, part));
    const std::int64_t height = graph.type(node.src[0]).shape[1];
    conv->pad[0] = std::max<std::int64_t>(0, -rows.begin);
    conv->pad[2] = std::max<std::int64_t>(0, rows.end - height);
  } else if (auto* upsample = std::get_if<Upsample>(&result.op)) {
    if (cut_of(graph, node) == Cut::kRows) {
      const std::int64_t factor = upsample_factor(graph, node);
      const std::int64_t row = row_of(graph.type(node.dst).shape);
      const Range rows = rows_of(graph, node.dst, part);
      const std::int64_t first = rows.begin / factor * factor;
      const std::int64_t end = (rows.end + factor - 1) / factor * factor;
      upsample->height = end - first;
      result.first = first * row;
      result.end = end * row;
    }
  } else if (auto* reshape = std::get_if<Reshape>(&result.op)) {
    const Shape shape = shape_of(graph.type(node.dst).shape, part);
    reshape->shape.assign(shape.sizes().begin(), shape.sizes().end());
  }
  return result;
}

}  // namespace semblance
