// The safetensors format: 8 bytes with the header's length, a JSON header that gives each tensor's
// type, shape and place, then the tensors without gaps.
// https://github.com/huggingface/safetensors#format
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "weights/weight_map.h"

namespace semblance {

/// The names of element types in the format.
inline constexpr std::array<std::pair<std::string_view, DType>, 12> kSafetensorsTypes = {{
    {"F32", DType::kF32},
    {"F16", DType::kF16},
    {"BF16", DType::kBF16},
    {"F64", DType::kF64},
    {"I64", DType::kI64},
    {"I32", DType::kI32},
    {"I16", DType::kI16},
    {"I8", DType::kI8},
    {"U8", DType::kU8},
    {"BOOL", DType::kBool},
    {"F8_E4M3", DType::kF8E4M3},
    {"F8_E5M2", DType::kF8E5M2},
}};

/// Reads only the header. Throws Error(kCorrupt) for a file that is truncated or breaks the
/// format's rules, or that has a tensor with an element type that is not in the table above, or
/// with more than 6 axes; and what File::read throws. Scales of 8-bit floats are not applied: see
/// scaled() in weights/fp8_scales.h.
WeightMap read_safetensors(const std::shared_ptr<const File>& file);
/// The same, and the metadata.
WeightFile read_safetensors_file(const std::shared_ptr<const File>& file);

/// The header's "__metadata__" texts; if a key is given twice, the last one counts.
using SafetensorsMetadata = Metadata;
/// Throws Error(kCorrupt) for a header that read_safetensors rejects, and what File::read throws.
SafetensorsMetadata read_safetensors_metadata(const File& file);

}  // namespace semblance
