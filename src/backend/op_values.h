// Tensors of op cases (graph/op_case.h) and random values for them: what kernels are compared with.
#pragma once

#include <cstddef>
#include <random>
#include <string_view>
#include <vector>

#include "backend/backends.h"

namespace semblance {

/// Values that are exact in the type's dtype; i32 ids are small enough to be exact in float.
struct CaseTensor {
  TensorType type;
  bool is_weight = false;
  std::vector<float> values;
};

/// The values in the type's dtype.
std::vector<std::byte> encode(const CaseTensor& tensor);
std::vector<float> decode(const std::vector<std::byte>& bytes, DType dtype);

/// The reference kernel of an op.
const KernelEntry& reference_entry(std::string_view op);

/// The dtypes to test a case in: as written, and with f32 replaced by bf16 or another `half`.
std::vector<DType> dtypes_of(const Op& op, DType half = DType::kBF16);

/// Whether the value has the case's dtype where it is f32 in the line: pictures and matrices.
/// Biases, scales and other weights of one axis stay f32.
bool takes_dtype(const ValueInfo& value);

/// Random sources for the graph's only node, in `dtype` where takes_dtype() says so.
std::vector<CaseTensor> random_sources(const Graph& graph, DType dtype, std::mt19937& random);
/// The same values as f32 where they are bf16 or f16: the sources of the expected result.
std::vector<CaseTensor> widened(std::vector<CaseTensor> sources);

}  // namespace semblance
