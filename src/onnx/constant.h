// Small tensors that are known at import: shapes, indices, scales. They are computed here instead
// of in the graph.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "weights/weight_map.h"

namespace semblance {

/// A tensor's bytes in memory, row-major, little endian.
struct Constant {
  DType dtype = DType::kF32;
  Shape shape;
  std::vector<std::byte> bytes;

  /// Element values: integers (and bool) or floats; the dtype must match (asserted).
  std::vector<std::int64_t> integers() const;
  std::vector<float> floats() const;
};

Constant constant_of(DType dtype, const Shape& shape, const std::vector<std::int64_t>& integers);
Constant constant_of(DType dtype, const Shape& shape, const std::vector<float>& floats);

/// Reads a whole tensor. Throws Error(kArgument) above kMostConstantElements.
inline constexpr std::int64_t kMostConstantElements = 1 << 22;
Constant load(const StoredTensor& tensor);
StoredTensor store(Constant constant, const std::string& name);

/// The elements at `source` (indices into x's elements) with another shape; their number must match
/// the shape (asserted).
Constant gather_elements(const Constant& x, const Shape& shape,
                         const std::vector<std::int64_t>& source);
/// Source indices of numpy.transpose(x, perm).
std::vector<std::int64_t> transposed(const Shape& x, const std::vector<std::int64_t>& perm);
/// Source indices of taking `indices` (all in range) from one axis.
std::vector<std::int64_t> taken(const Shape& x, int axis, const std::vector<std::int64_t>& indices);
/// Source indices of x broadcast to `result` by numpy's rule, which must allow it.
std::vector<std::int64_t> broadcast_to(const Shape& x, const Shape& result);

/// The transpose of a stored matrix, as from transposed_matrix(). A matrix that is already such a
/// tensor, or a view of one, is transposed in memory.
StoredTensor turned_matrix(const StoredTensor& matrix);

}  // namespace semblance
