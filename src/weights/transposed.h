// Transposes a stored matrix: for weights stored as [in,out] that a model reads as [out,in].
#pragma once

#include "weights/weight_map.h"

namespace semblance {

/// The transpose of a stored matrix [r,c]: a tensor [c,r] whose file reads the original's columns.
/// Elements keep their type, except that types stored in blocks become f32. Meant for few, small
/// tensors: each read touches every row once.
StoredTensor transposed_matrix(const StoredTensor& matrix);
/// Whether the tensor is such a transpose or a part of one.
bool is_transposed(const StoredTensor& tensor);

}  // namespace semblance
