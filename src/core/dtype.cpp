#include "core/dtype.h"

#include <array>
#include <utility>

namespace semblance {
namespace {

constexpr std::array<std::pair<DType, std::string_view>, 10> kNames = {{{DType::kF32, "f32"},
                                                                        {DType::kF16, "f16"},
                                                                        {DType::kBF16, "bf16"},
                                                                        {DType::kF64, "f64"},
                                                                        {DType::kI64, "i64"},
                                                                        {DType::kI32, "i32"},
                                                                        {DType::kI16, "i16"},
                                                                        {DType::kI8, "i8"},
                                                                        {DType::kU8, "u8"},
                                                                        {DType::kBool, "bool"}}};

}  // namespace

std::string_view name_of(DType dtype) {
  for (const auto& [value, name] : kNames) {
    if (value == dtype) return name;
  }
  return "?";
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const auto& [value, known] : kNames) {
    if (known == name) return value;
  }
  return std::nullopt;
}

}  // namespace semblance
