// A stored matrix turned: for weights that a file has as [in,out] and a model wants as [out,in].
#pragma once

#include "weights/weight_map.h"

namespace semblance {

/// The transpose of a stored matrix [r,c]: a tensor [c,r] whose file reads the other one's columns.
/// Elements keep their type, but those in blocks become f32. Its file is made for few, small
/// tensors: each read touches every row once.
StoredTensor transposed_matrix(const StoredTensor& matrix);
/// Whether the tensor, or the one that it is a part of, is such a one.
bool is_transposed(const StoredTensor& tensor);

}  // namespace semblance
