// The safetensors format: 8 bytes with the header's length, a JSON header that gives each tensor's
// type, shape and place, then the tensors without a gap.
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

/// The element types as the format writes them.
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

/// Reads the header alone. Throws Error(kCorrupt) for a file that is truncated or breaks one of the
/// format's rules, or that has a tensor of an element type that is not in the table above, or of
/// more than 6 axes; and what File::read throws. Numbers are taken as they lie: what a factor
/// belongs to is scaled() of weights/fp8_scales.h.
WeightMap read_safetensors(std::shared_ptr<const File> file);
/// The same, and the metadata.
WeightFile read_safetensors_file(std::shared_ptr<const File> file);

/// The texts that the header carries under "__metadata__"; of a key given twice the last counts.
using SafetensorsMetadata = Metadata;
/// Throws Error(kCorrupt) for a header that read_safetensors refuses, and what File::read throws.
SafetensorsMetadata read_safetensors_metadata(const File& file);

}  // namespace semblance
