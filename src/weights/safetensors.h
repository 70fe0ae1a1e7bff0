// The safetensors format: 8 bytes with the header's length, a JSON header that gives each tensor's
// type, shape and place, then the tensors without a gap.
// https://github.com/huggingface/safetensors#format
#pragma once

#include <memory>

#include "weights/weight_map.h"

namespace semblance {

/// Reads the header alone. Throws Error(kCorrupt) for a file that is truncated or breaks one of the
/// format's rules, or that has a tensor of an element type other than F32, F16, BF16, F64, I64,
/// I32, I16, I8, U8 and BOOL, or of more than 6 axes; and what File::read throws.
WeightMap read_safetensors(std::shared_ptr<const File> file);

}  // namespace semblance
