// Tensors of test cases, random values for them, and the parts in which an op may be computed.
#pragma once

#include <cmath>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "backend/backends.h"
#include "core/convert.h"
#include "graph/graph.h"

namespace semblance::testing {

/// Values that are exact in the type's dtype; ids of i32 are small and exact in float too.
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

/// Indices [begin, end) of one axis.
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

/// The same of a result's bytes.
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

/// The reference's kernel of an op.
inline const KernelEntry& reference_entry(std::string_view op) {
  for (const KernelEntry& entry : reference_backend().kernels()) {
    if (entry.op == op) return entry;
  }
  fail(ErrorKind::kInternal, "no reference kernel for {}", op);
}

/// In which dtypes a case is tried: as it is written, and with bf16 for f32.
inline std::vector<DType> dtypes_of(const Op& op) {
  if (std::holds_alternative<Convert>(op) || std::holds_alternative<Sinusoid>(op))
    return {DType::kF32};
  return {DType::kF32, DType::kBF16};
}

/// Random sources for the graph's only node. In bf16, pictures and matrices are bf16; biases,
/// scales and other weights of one axis stay f32.
inline std::vector<Tensor> random_sources(const Graph& graph, DType dtype, std::mt19937& random) {
  const Node& node = graph.nodes()[0];
  const std::string_view op = name_of(node.op);
  std::vector<Tensor> src;
  for (std::size_t i = 0; i < node.src.size(); ++i) {
    const ValueInfo& value = graph.values()[static_cast<std::size_t>(node.src[i])];
    Tensor tensor{value.type, value.kind == ValueKind::kWeight, {}};
    if (dtype == DType::kBF16 && tensor.type.dtype == DType::kF32 &&
        (!tensor.is_weight || tensor.type.shape.rank() >= 2))
      tensor.type.dtype = DType::kBF16;
    std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
    for (std::int64_t k = 0; k < tensor.type.shape.elements(); ++k) {
      float x = uniform(random);
      if (tensor.type.dtype == DType::kI32) {
        // Ids inside the table; rows a little beyond both ends, for they are clamped.
        const float rows =
            op == Embedding::kName ? static_cast<float>(graph.type(node.src[1]).shape[0])
            : op == TakeRow::kName ? static_cast<float>(graph.type(node.src[0]).shape[1])
                                   : 100.0F;
        x = std::floor((x + 1) / 2 * rows);
        x = op == TakeRow::kName ? (x == 0 ? -1 : x + 1) : std::min(x, rows - 1);
      } else if (op == Attention::kName) {
        x *= 3;  // probabilities that are far from equal
      } else if (op == Unary::kName) {
        x *= 6;
      } else if (op == GroupScale::kName && i == 1) {
        // Count, mean, sum of squared distances.
        x = k % 3 == 0 ? std::floor((x + 2) * 20) : k % 3 == 1 ? x + 5 : x * x * 20;
      } else if ((op == GroupNorm::kName || op == GroupMoments::kName || op == GroupScale::kName ||
                  op == LayerNorm::kName) &&
                 i == 0) {
        x += 5;  // a mean that dwarfs the deviation: sums of squares alone would cancel
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

/// A part of a result, as a case of its own.
struct Part {
  std::string what;
  Op op;
  std::vector<Tensor> src;
  int axis = 0;  // of the result, which indices [begin, end) of it are the part's
  std::int64_t begin = 0;
  std::int64_t end = 0;
  bool by_output_channels = false;
};

/// Makes parts: one function for every kind of slice, told by the op's type what it may do.
class PartMaker {
 public:
  PartMaker(const std::vector<Tensor>& src, const Shape& dst, std::mt19937& random)
      : src_(src), dst_(dst), random_(random) {}

  template <typename T>
  void make(const T& op) {
    if constexpr ((T::kSlices & (kSlicePictures | kSliceAny)) != 0) pictures(op);
    if constexpr ((T::kSlices & kSliceRows) != 0) rows(op);
    if constexpr ((T::kSlices & kSliceOutputChannels) != 0) output_channels(op);
    if constexpr ((T::kSlices & kSliceHeads) != 0) heads(op);
  }
  std::vector<Part> take() { return std::move(parts_); }

 private:
  /// Adds a part of [0, size) of the result's axis; `cut_sources` cuts part.src and may change op.
  template <typename T, typename F>
  void add(const std::string& what, const T& op, int axis, std::int64_t size, F&& cut_sources) {
    if (size < 2) return;
    for (int count = 0; count < 2; ++count) {
      const std::int64_t begin = static_cast<std::int64_t>(random_()) % size;
      const std::int64_t end = begin + 1 + static_cast<std::int64_t>(random_()) % (size - begin);
      Part part{
          fmt::format("{} {} to {} of {}", what, begin, end, size), op, src_, axis, begin, end};
      if (cut_sources(part, std::get<T>(part.op))) parts_.push_back(std::move(part));
    }
  }
  static bool cut_source(Part& part, std::size_t i, int axis) {
    part.src[i] = cut(part.src[i], axis, part.begin, part.end);
    return true;
  }

  template <typename T>
  void pictures(const T&) {}
  template <typename T>
  requires(!std::is_same_v<T, Concat> && !std::is_same_v<T, Slice> &&
           !std::is_same_v<T, Transpose> &&
           !std::is_same_v<T, Reshape>) void pictures(const T& op) {
    if (src_.empty() || dst_.rank() < 2 || src_[0].type.shape.rank() < 2) return;
    const std::int64_t n = dst_[0];
    add("pictures", op, 0, n, [&](Part& part, T&) {
      for (std::size_t i = 0; i < src_.size(); ++i) {
        const Shape& shape = src_[i].type.shape;
        const bool by_picture = std::is_same_v<T, TakeRow> || std::is_same_v<T, GroupScale> ||
                                std::is_same_v<T, Attention> || i == 0 ||
                                shape.rank() == dst_.rank();
        if (src_[i].is_weight || !by_picture || (std::is_same_v<T, Embedding> && i == 1)) continue;
        if (std::is_same_v<T, Binary> && (shape.rank() != dst_.rank() || shape[0] == 1)) continue;
        cut_source(part, i, 0);
      }
      return true;
    });
  }

  /// Positions of sequences, [..., l, c] in and out.
  template <typename T>
  void rows(const T& op) {
    if (src_[0].type.shape.rank() < 2) return;
    if (std::is_same_v<T, GroupScale> && dst_.rank() == 2) return;  // one pixel a picture
    add("rows", op, -2, dst_[-2], [&](Part& part, T&) {
      cut_source(part, 0, -2);
      if constexpr (std::is_same_v<T, Linear>) {
        if (op.has_residual) cut_source(part, src_.size() - 1, -2);
      }
      if constexpr (std::is_same_v<T, Paste>) cut_source(part, 1, -2);
      return true;
    });
  }
  void rows(const Attention& op) {
    if (op.causal) return;
    add("queries", op, 1, dst_[1], [&](Part& part, Attention&) { return cut_source(part, 0, 1); });
  }
  void rows(const Embedding& op) {
    add("positions", op, 1, dst_[1],
        [&](Part& part, Embedding&) { return cut_source(part, 0, 1); });
  }
  void rows(const Upsample& op) {
    const std::int64_t h = src_[0].type.shape[1];
    if (op.height % h != 0) return;
    const std::int64_t times = op.height / h;
    add("rows", op, 1, h, [&](Part& part, Upsample& changed) {
      cut_source(part, 0, 1);
      changed.height = (part.end - part.begin) * times;
      part.begin *= times;
      part.end *= times;
      return true;
    });
  }
  void rows(const Conv2d& op) {
    const std::int64_t window = op.dilation[0] * (src_[1].type.shape[2] - 1) + 1;
    add("rows", op, 1, dst_[1], [&](Part& part, Conv2d& changed) {
      if (op.has_residual) cut_source(part, src_.size() - 1, 1);
      return cut_windows(part, changed.pad, op.stride[0], op.pad, window);
    });
  }
  void rows(const Pool& op) {
    add("rows", op, 1, dst_[1], [&](Part& part, Pool& changed) {
      // The last window may reach beyond the padding, where nothing counts; a part can say that
      // only by padding, which count_pad counts.
      const std::int64_t padded = src_[0].type.shape[1] + op.pad[0] + op.pad[2];
      if (op.count_pad && (part.end - 1) * op.stride[0] + op.kernel[0] > padded) return false;
      return cut_windows(part, changed.pad, op.stride[0], op.pad, op.kernel[0]);
    });
  }
  /// Cuts x to the rows that windows [begin, end) touch; what they see of the padding stays
  /// padding.
  bool cut_windows(Part& part, std::array<std::int64_t, 4>& changed, std::int64_t stride,
                   const std::array<std::int64_t, 4>& pad, std::int64_t window) const {
    const std::int64_t h = src_[0].type.shape[1];
    const std::int64_t first = part.begin * stride - pad[0];
    const std::int64_t last = (part.end - 1) * stride - pad[0] + window;
    const std::int64_t top = std::max<std::int64_t>(first, 0);
    const std::int64_t bottom = std::min(last, h);
    if (top >= bottom) return false;  // windows over padding alone
    part.src[0] = cut(part.src[0], 1, top, bottom);
    changed[0] = top - first;
    changed[2] = last - bottom;
    return true;
  }

  template <typename T>
  void output_channels(const T& op) {
    if constexpr (std::is_same_v<T, Conv2d>) {
      if (op.groups != 1) return;
    }
    add("output channels", op, -1, dst_[-1], [&](Part& part, T&) {
      part.by_output_channels = true;
      cut_source(part, 1, 0);
      if (op.has_bias) cut_source(part, 2, 0);
      if (op.has_residual) cut_source(part, src_.size() - 1, -1);
      return true;
    });
  }

  void heads(const Attention& op) {
    add("heads", op, 2, op.heads, [&](Part& part, Attention& changed) {
      changed.heads = part.end - part.begin;
      for (std::size_t i = 0; i < 3; ++i) {
        const std::int64_t width = src_[i].type.shape[2] / op.heads;
        part.src[i] = cut(part.src[i], 2, part.begin * width, part.end * width);
      }
      part.begin *= dst_[2] / op.heads;
      part.end *= dst_[2] / op.heads;
      return true;
    });
  }

  const std::vector<Tensor>& src_;
  const Shape& dst_;
  std::mt19937& random_;
  std::vector<Part> parts_;
};

/// Random parts of every kind that the op allows; each must have the bits of the whole.
inline std::vector<Part> parts_of(const Op& op, const std::vector<Tensor>& src, const Shape& dst,
                                  std::mt19937& random) {
  PartMaker maker(src, dst, random);
  std::visit([&](const auto& o) { maker.make(o); }, op);
  return maker.take();
}

}  // namespace semblance::testing
