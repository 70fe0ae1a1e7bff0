#include "graph/views.h"

namespace semblance {

std::optional<std::int64_t> view_offset_bytes(const Graph& graph, const Node& node) {
  if (std::holds_alternative<Reshape>(node.op)) return 0;
  const auto* slice = std::get_if<Slice>(&node.op);
  if (slice == nullptr || slice->step != 1) return std::nullopt;
  const TensorType& x = graph.type(node.src[0]);
  const int axis = x.shape.place_of(slice->axis);
  const bool whole = slice->begin == 0 && slice->end == x.shape[axis];
  if (whole) return 0;
  if (x.shape.elements_before(axis) != 1) return std::nullopt;
  return slice->begin * x.shape.elements_from(axis + 1) *
         static_cast<std::int64_t>(size_of(x.dtype));
}

bool is_join(const Graph& graph, const Node& node) {
  const auto* concat = std::get_if<Concat>(&node.op);
  if (concat == nullptr) return false;
  const Shape& shape = graph.type(node.dst).shape;
  return shape.elements_before(shape.place_of(concat->axis)) == 1;
}

}  // namespace semblance
