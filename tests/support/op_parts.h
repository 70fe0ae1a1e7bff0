// The parts in which an op can be computed, as cases of their own.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "backend/op_values.h"
#include "graph/parts.h"

namespace semblance::testing {

using semblance::CaseTensor;
using semblance::decode;
using semblance::dtypes_of;
using semblance::encode;
using semblance::random_sources;
using semblance::reference_entry;

/// The tensor's indices [begin, end) of one axis.
inline CaseTensor cut(const CaseTensor& tensor, int axis, std::int64_t begin, std::int64_t end) {
  const Shape& shape = tensor.type.shape;
  if (axis < 0) axis += shape.rank();
  const std::int64_t inner = shape.elements_from(axis + 1);
  const std::int64_t block = shape.elements_from(axis);
  CaseTensor part{{tensor.type.dtype, shape.with(axis, end - begin)}, tensor.is_weight, {}};
  for (std::int64_t first = 0; first < shape.elements(); first += block) {
    part.values.insert(part.values.end(), tensor.values.begin() + first + begin * inner,
                       tensor.values.begin() + first + end * inner);
  }
  return part;
}

/// The same for a result's bytes.
inline std::vector<std::byte> cut(const std::vector<std::byte>& bytes, const TensorType& type,
                                  int axis, std::int64_t begin, std::int64_t end) {
  if (axis < 0) axis += type.shape.rank();
  const auto size = static_cast<std::int64_t>(size_of(type.dtype));
  const std::int64_t inner = type.shape.elements_from(axis + 1) * size;
  const std::int64_t block = type.shape.elements_from(axis) * size;
  std::vector<std::byte> part;
  for (std::int64_t first = 0; first < static_cast<std::int64_t>(bytes.size()); first += block) {
    part.insert(part.end(), bytes.begin() + first + begin * inner,
                bytes.begin() + first + end * inner);
  }
  return part;
}

/// A part of a result, as a case of its own. In the whole result it is picture `picture` (-1: every
/// one) and indices [begin, end) of `axis`.
struct PartCase {
  std::string what;
  Op op;
  std::vector<CaseTensor> src;
  int picture = -1;
  int axis = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  bool by_output_channels = false;
};

/// [begin, end) at random, not empty, inside [0, size).
inline std::pair<std::int64_t, std::int64_t> random_range(std::int64_t size, std::mt19937& random) {
  const std::int64_t begin = static_cast<std::int64_t>(random()) % size;
  return {begin, begin + 1 + static_cast<std::int64_t>(random()) % (size - begin)};
}

inline CaseTensor cut(const CaseTensor& tensor, const Part& part) {
  if (part.whole()) return tensor;
  const std::int64_t row = row_of(tensor.type.shape);
  return cut(cut(tensor, 0, part.picture, part.picture + 1), 1, part.begin / row, part.end / row);
}

/// A picture or rows of one, as the planner cuts them.
inline PartCase picture_part(const Graph& graph, const std::vector<CaseTensor>& src,
                             std::mt19937& random) {
  const Node& node = graph.nodes()[0];
  const Shape& dst = graph.type(node.dst).shape;
  Part part{static_cast<int>(random() % static_cast<std::size_t>(dst[0])), 0, pixels_of(dst)};
  if (cut_of(graph, node) == Cut::kRows) {
    const auto [begin, end] = random_range(dst[1], random);
    part = {part.picture, begin * row_of(dst), end * row_of(dst)};
  }
  const std::vector<Part> parts = sources_for(graph, node, part);
  const PartOp narrowed = op_for(graph, node, part);
  PartCase result{fmt::format("pixels {} to {} of picture {}", part.begin, part.end, part.picture),
                  narrowed.op,
                  {},
                  part.picture,
                  1,
                  narrowed.first / row_of(dst),
                  narrowed.end / row_of(dst)};
  for (std::size_t i = 0; i < src.size(); ++i) {
    result.src.push_back(src[i].is_weight ? src[i] : cut(src[i], parts[i]));
  }
  return result;
}

/// A range of output channels: the same rows of weight and bias, and channels of the residual.
inline PartCase channel_part(const Graph& graph, const std::vector<CaseTensor>& src,
                             std::mt19937& random) {
  const Node& node = graph.nodes()[0];
  const std::int64_t channels = graph.type(node.dst).shape[-1];
  const auto [begin, end] = random_range(channels, random);
  PartCase result{fmt::format("output channels {} to {} of {}", begin, end, channels),
                  node.op,
                  src,
                  -1,
                  -1,
                  begin,
                  end,
                  true};
  for (std::size_t i = 1; i < src.size(); ++i)
    result.src[i] = cut(src[i], i == 1 ? 0 : -1, begin, end);
  return result;
}

/// The part's bytes out of the whole result's.
inline std::vector<std::byte> cut(const std::vector<std::byte>& whole, const TensorType& type,
                                  const PartCase& part) {
  if (part.picture < 0) return cut(whole, type, part.axis, part.begin, part.end);
  return cut(cut(whole, type, 0, part.picture, part.picture + 1),
             {type.dtype, type.shape.with(0, 1)}, part.axis, part.begin, part.end);
}

/// Random parts of every kind that the op allows; each must have the bits of the whole. `graph` has
/// one node.
inline std::vector<PartCase> parts_of(const Graph& graph, const std::vector<CaseTensor>& src,
                                      std::mt19937& random) {
  const Node& node = graph.nodes()[0];
  std::vector<PartCase> parts;
  for (int i = 0; i < 3 && cut_of(graph, node) != Cut::kWhole; ++i)
    parts.push_back(picture_part(graph, src, random));
  for (int i = 0; i < 2 && has_output_channels(node.op) && graph.type(node.dst).shape[-1] > 1; ++i)
    parts.push_back(channel_part(graph, src, random));
  return parts;
}

}  // namespace semblance::testing
