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
inline constexpr std::array<std::pair<std::string_view, DType>, 10> kSafetensorsTypes = {{
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
}};

/// Reads only the header. Throws Error(kCorrupt) for a file that is truncated or breaks the
/// format's rules, or that has a tensor with an element type other than F32, F16, BF16, F64, I64,
/// I32, I16, I8, U8 and BOOL, or with more than 6 axes; and what File::read throws.
WeightMap read_safetensors(std::shared_ptr<const File> file);

/// The header's "__metadata__" texts; if a key is given twice, the last one counts.
using SafetensorsMetadata = std::map<std::string, std::string>;
/// Throws Error(kCorrupt) for a header that read_safetensors rejects, and what File::read throws.
SafetensorsMetadata read_safetensors_metadata(const File& file);

}  // namespace semblance
