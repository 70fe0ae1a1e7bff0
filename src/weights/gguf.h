// GGUF, versions 2 and 3: ggml's file of quantised tensors. Integers are little-endian, a string is
// a u64 length and its bytes:
//   "GGUF", u32 version, u64 tensors, u64 entries
//   entries: string key, i32 type, value; an array is i32 type, u64 count, values
//   tensors: string name, u32 axes, u64 sizes (the fastest axis first), i32 type, u64 offset
//   the data, from the next multiple of general.alignment (32) on
// If ComfyUI-GGUF's converter has stored a tensor as rows of 256, its true shape is in
// "comfy.gguf.orig_shape.<name>". Source: ggml's gguf.h; ComfyUI-GGUF's convert.py.
#pragma once

#include <memory>

#include "weights/weight_map.h"

namespace semblance {

/// Reads only the header. Shapes are in torch's order, the slowest axis first; the metadata are the
/// entries that are text. Throws Error(kCorrupt) for a file that is truncated, has another version,
/// is big-endian, or breaks the format's rules; for a tensor with a type other than F32, F16, BF16,
/// F64, I8 to I64, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K; and what File::read throws.
WeightFile read_gguf(std::shared_ptr<const File> file);

}  // namespace semblance
