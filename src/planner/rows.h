// Which part of its sources an op needs for a part of its result, and the op that computes just
// that part: what slicing knows of ops.
//
// A value is pictured if it is [n,h,w,c] or [n,l,c]; a pixel is a position of h x w, or of l. Parts
// are whole rows of pictures, so that they are one piece of memory.
#pragma once

#include <optional>
#include <vector>

#include "graph/graph.h"

namespace semblance {

/// Pixels [begin, end) of one picture, or the whole value.
struct Part {
  int picture = -1;  // -1: the whole value, whatever its shape
  std::int64_t begin = 0;
  std::int64_t end = 0;

  bool whole() const { return picture < 0; }
  friend auto operator<=>(const Part&, const Part&) = default;
};

bool is_pictured(const Shape& shape);
/// Pixels of one picture of a pictured value.
std::int64_t pixels_of(const Shape& shape);
/// Pixels that a part must be a multiple of: the width of [n,h,w,c], 1 of [n,l,c].
std::int64_t row_of(const Shape& shape);
/// The shape of a part: [1,rows,w,c] or [1,pixels,c].
Shape shape_of(const Shape& whole, const Part& part);

/// How a node's result may be computed in parts.
enum class Cut : std::uint8_t { kWhole, kPictures, kRows };
Cut cut_of(const Graph& graph, const Node& node);

/// The part of each source (weights: whole) for a part of the result of a node that may be cut so.
std::vector<Part> sources_for(const Graph& graph, const Node& node, const Part& part);

/// The op of that part. Its result may begin before the part (Upsample works in whole source rows):
/// `first` is where, in pixels of the result's picture.
struct PartOp {
  Op op;
  std::int64_t first = 0;
  std::int64_t end = 0;
};
PartOp op_for(const Graph& graph, const Node& node, const Part& part);

}  // namespace semblance
