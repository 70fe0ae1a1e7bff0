// The scales of weights in 8-bit floats, as ComfyUI writes them: W = stored * scale. Two ways:
//   an empty tensor "<prefix>scaled_fp8": linear layers under the prefix have an F32 scale
//     "<layer>.scale_weight"; the marker's own type is the format's;
//   metadata "_quantization_metadata" {"layers": {"<layer>": {"format": "float8_e4m3fn"}}}, or the
//     same object as bytes of a tensor "<layer>.comfy_quant": these layers have an F32 scale
//     "<layer>.weight_scale".
// Scales of activations ("scale_input", "input_scale") are ignored.
// Source: ComfyUI's QUANTIZATION.md and comfy/ops.py.
#pragma once

#include "weights/weight_map.h"

namespace semblance {

/// The tensors with their scales in StoredTensor::scale, without the tensors that only describe how
/// others are stored. Reads each scale (4 bytes). Throws Error(kCorrupt), which names the layer, if
/// a layer lacks its scale, if the scale is not a single number, or if the layer is not stored as
/// 8-bit floats (int8, mxfp8, nvfp4, "convrot"); and what File::read throws.
WeightMap scaled(const WeightFile& file);

}  // namespace semblance
