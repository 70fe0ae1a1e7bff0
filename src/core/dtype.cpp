#include "core/dtype.h"

#include <array>
#include <utility>

#include "core/error.h"

namespace semblance {
namespace {

constexpr std::array kNames = std::to_array<std::pair<DType, std::string_view>>({
    {DType::kF32, "f32"},   {DType::kF16, "f16"},        {DType::kBF16, "bf16"},
    {DType::kF64, "f64"},   {DType::kI64, "i64"},        {DType::kI32, "i32"},
    {DType::kI16, "i16"},   {DType::kI8, "i8"},          {DType::kU8, "u8"},
    {DType::kBool, "bool"}, {DType::kF8E4M3, "f8_e4m3"}, {DType::kF8E5M2, "f8_e5m2"},
    {DType::kQ4_0, "q4_0"}, {DType::kQ4_1, "q4_1"},      {DType::kQ5_0, "q5_0"},
    {DType::kQ5_1, "q5_1"}, {DType::kQ8_0, "q8_0"},      {DType::kQ4_K, "q4_K"},
    {DType::kQ5_K, "q5_K"}, {DType::kQ6_K, "q6_K"},
});

}  // namespace

void fail_in_blocks(DType dtype) {
  fail(ErrorKind::kInternal, "internal error: an element of {} has no size of its own",
       name_of(dtype));
}

std::string_view name_of(DType dtype) {
  for (const auto& [value, name] : kNames) {
    if (value == dtype) return name;
  }
  return "?";
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const auto& [value, known] : kNames) {
    if (known == name && value <= DType::kBool) return value;
  }
  return std::nullopt;
}

}  // namespace semblance
