// The factors of weights in 8-bit floats, as ComfyUI writes them: W = stored * factor. Two ways:
//   an empty tensor "<prefix>scaled_fp8" says that linear layers under the prefix have an F32
//   factor
//     "<layer>.scale_weight"; its own type is the format's;
//   metadata "_quantization_metadata" {"layers": {"<layer>": {"format": "float8_e4m3fn"}}}, or the
//     same object as bytes of a tensor "<layer>.comfy_quant", name layers with an F32 factor
//     "<layer>.weight_scale".
// Factors of activations ("scale_input", "input_scale") are of no use here.
// Source: ComfyUI's QUANTIZATION.md and comfy/ops.py.
#pragma once

#include "weights/weight_map.h"

namespace semblance {

/// The tensors with their factors in StoredTensor::scale, and without the tensors that only say
/// how the others are stored. Each factor is read (4 bytes). Throws Error(kCorrupt) by the layer's
/// name: where a layer needs a factor and has none, or more than one number; where it is stored in
/// another way than as 8-bit floats (int8, mxfp8, nvfp4, "convrot"); and what File::read throws.
WeightMap scaled(const WeightFile& file);

}  // namespace semblance
