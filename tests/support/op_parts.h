// Tensors of test cases, random values for them, and the parts in which an op can be computed.
#pragma once

#include <cmath>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "backend/backends.h"
#include "core/convert.h"
#include "graph/parts.h"

namespace semblance::testing {

/// Values that are exact in the type's dtype; i32 ids are small enough to be exact in float.
struct Tensor {
  TensorType type;
  bool is_weight = false;
  std::vector<float> values;
};

inline std::vector<std::byte> encode(const Tensor& tensor) {
  std::vector<std::byte> bytes(tensor.type.bytes());
  if (tensor.type.dtype == DType::kF64) {
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
      const auto value = static_cast<double>(tensor.values[i]);
      std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value);
    }
  } else if (tensor.type.dtype == DType::kI32) {
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
      const auto id = static_cast<std::int32_t>(tensor.values[i]);
      std::memcpy(bytes.data() + i * sizeof id, &id, sizeof id);
    }
  } else {
    from_f32(tensor.values, tensor.type.dtype, bytes);
  }
  return bytes;
}

inline std::vector<float> decode(const std::vector<std::byte>& bytes, DType dtype) {
  std::vector<float> values(bytes.size() / size_of(dtype));
  to_f32(dtype, bytes, values);
  return values;
}

/// The tensor's indices [begin, end) of one axis.
inline Tensor cut(const Tensor& tensor, int axis, std::int64_t begin, std::int64_t end) {
  const Shape& shape = tensor.type.shape;
  if (axis < 0) axis += shape.rank();
  const std::int64_t inner = shape.elements_from(axis + 1);
  const std::int64_t block = shape.elements_from(axis);
  Tensor part{{tensor.type.dtype, shape.with(axis, end - begin)}, tensor.is_weight, {}};
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

/// The reference kernel of an op.
inline const KernelEntry& reference_entry(std::string_view op) {
  for (const KernelEntry& entry : reference_backend().kernels()) {
    if (entry.op == op) return entry;
  }
  fail(ErrorKind::kInternal, "no reference kernel for {}", op);
}

/// The dtypes to test a case in: as written, and with f32 replaced by bf16 or another `half`.
inline std::vector<DType> dtypes_of(const Op& op, DType half = DType::kBF16) {
  if (std::holds_alternative<Convert>(op) || std::holds_alternative<Sinusoid>(op))
    return {DType::kF32};
  return {DType::kF32, half};
}

/// Random sources for the graph's only node. In bf16 or f16, pictures and matrices have that type;
/// biases, scales and other weights of one axis stay f32.
inline std::vector<Tensor> random_sources(const Graph& graph, DType dtype, std::mt19937& random) {
  const Node& node = graph.nodes()[0];
  const std::string_view op = name_of(node.op);
  std::vector<Tensor> src;
  for (std::size_t i = 0; i < node.src.size(); ++i) {
    const ValueInfo& value = graph.values()[static_cast<std::size_t>(node.src[i])];
    Tensor tensor{value.type, value.kind == ValueKind::kWeight, {}};
    if (tensor.type.dtype == DType::kF32 && (!tensor.is_weight || tensor.type.shape.rank() >= 2))
      tensor.type.dtype = dtype;
    std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
    for (std::int64_t k = 0; k < tensor.type.shape.elements(); ++k) {
      float x = uniform(random);
      if (tensor.type.dtype == DType::kI32) {
        // Embedding ids are inside the table; TakeRow's rows go past both ends, because it clamps.
        const float rows =
            op == Embedding::kName ? static_cast<float>(graph.type(node.src[1]).shape[0])
            : op == TakeRow::kName ? static_cast<float>(graph.type(node.src[0]).shape[1])
                                   : 100.0F;
        x = std::floor((x + 1) / 2 * rows);
        x = op == TakeRow::kName ? (x == 0 ? -1 : x + 1) : std::min(x, rows - 1);
      } else if (op == Attention::kName) {
        x *= 3;  // makes the probabilities unequal
      } else if (op == Unary::kName) {
        x *= 6;
      } else if (op == GroupScale::kName && i == 1) {
        // Count, mean, sum of squared distances.
        x = k % 3 == 0 ? std::floor((x + 2) * 20) : k % 3 == 1 ? x + 5 : x * x * 20;
      } else if ((op == GroupNorm::kName || op == GroupMoments::kName || op == GroupScale::kName ||
                  op == LayerNorm::kName) &&
                 i == 0) {
        x += 5;  // a mean much larger than the deviation: plain sums of squares would cancel
      } else if (op == BatchNorm::kName && i == 4) {
        x = std::fabs(x) + 0.1F;
      } else if (op == Binary::kName && i == 1) {
        x += std::copysign(0.5F, x);  // away from zero, for div
      } else if (op == Sinusoid::kName) {
        x = std::floor((x + 1) * 500);
      }
      tensor.values.push_back(x);
    }
    if (tensor.type.dtype != DType::kI32) {
      tensor.values = decode(encode(tensor), tensor.type.dtype);
    }
    src.push_back(std::move(tensor));
  }
  return src;
}

/// A part of a result, as a case of its own. In the whole result it is picture `picture` (-1: every
/// one) and indices [begin, end) of `axis`.
struct PartCase {
  std::string what;
  Op op;
  std::vector<Tensor> src;
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

inline Tensor cut(const Tensor& tensor, const Part& part) {
  if (part.whole()) return tensor;
  const std::int64_t row = row_of(tensor.type.shape);
  return cut(cut(tensor, 0, part.picture, part.picture + 1), 1, part.begin / row, part.end / row);
}

/// A picture or rows of one, as the planner cuts them.
inline PartCase picture_part(const Graph& graph, const std::vector<Tensor>& src,
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
inline PartCase channel_part(const Graph& graph, const std::vector<Tensor>& src,
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
inline std::vector<PartCase> parts_of(const Graph& graph, const std::vector<Tensor>& src,
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
