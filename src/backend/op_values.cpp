#include "backend/op_values.h"

#include <cmath>
#include <cstring>

#include "core/convert.h"

namespace semblance {

std::vector<std::byte> encode(const CaseTensor& tensor) {
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

std::vector<float> decode(const std::vector<std::byte>& bytes, DType dtype) {
  std::vector<float> values(bytes.size() / size_of(dtype));
  to_f32(dtype, bytes, values);
  return values;
}

const KernelEntry& reference_entry(std::string_view op) {
  for (const KernelEntry& entry : reference_backend().kernels()) {
    if (entry.op == op) return entry;
  }
  fail(ErrorKind::kInternal, "no reference kernel for {}", op);
}

std::vector<DType> dtypes_of(const Op& op, DType half) {
  if (std::holds_alternative<Convert>(op) || std::holds_alternative<Sinusoid>(op))
    return {DType::kF32};
  return {DType::kF32, half};
}

bool takes_dtype(const ValueInfo& value) {
  return value.type.dtype == DType::kF32 &&
         (value.kind != ValueKind::kWeight || value.type.shape.rank() >= 2);
}

namespace {

/// Element `k` of source `i`, from x in [-1, 1).
float value_for(const Graph& graph, std::size_t i, DType dtype, std::int64_t k, float x) {
  const Node& node = graph.nodes()[0];
  const std::string_view op = name_of(node.op);
  if (dtype == DType::kI32) {
    // Embedding ids are inside the table; TakeRow's rows go past both ends, because it clamps.
    const float rows = op == Embedding::kName ? static_cast<float>(graph.type(node.src[1]).shape[0])
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
  return x;
}

}  // namespace

std::vector<CaseTensor> random_sources(const Graph& graph, DType dtype, std::mt19937& random) {
  const Node& node = graph.nodes()[0];
  std::vector<CaseTensor> src;
  for (std::size_t i = 0; i < node.src.size(); ++i) {
    const ValueInfo& value = graph.values()[static_cast<std::size_t>(node.src[i])];
    CaseTensor tensor{value.type, value.kind == ValueKind::kWeight, {}};
    if (takes_dtype(value)) tensor.type.dtype = dtype;
    std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
    for (std::int64_t k = 0; k < tensor.type.shape.elements(); ++k)
      tensor.values.push_back(value_for(graph, i, tensor.type.dtype, k, uniform(random)));
    if (tensor.type.dtype != DType::kI32) {
      tensor.values = decode(encode(tensor), tensor.type.dtype);
    }
    src.push_back(std::move(tensor));
  }
  return src;
}

std::vector<CaseTensor> widened(std::vector<CaseTensor> sources) {
  for (CaseTensor& tensor : sources) {
    if (tensor.type.dtype == DType::kBF16 || tensor.type.dtype == DType::kF16)
      tensor.type.dtype = DType::kF32;
  }
  return sources;
}

}  // namespace semblance
