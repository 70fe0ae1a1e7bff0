// Element types of tensors, in files and in kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace semblance {

enum class DType : std::uint8_t {
  kF32,
  kF16,
  kBF16,
  kF64,
  kI64,
  kI32,
  kI16,
  kI8,
  kU8,
  kBool,
  // Only in files; values of a graph never have them.
  kF8E4M3,  // without infinities: "fn"
  kF8E5M2,
  // ggml's blocks of numbers that share a scale (core/dequantize.h)
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ4_K,
  kQ5_K,
  kQ6_K,
};

/// The unit of storage in a file: so many elements in so many bytes. One element except for ggml's
/// types.
struct StoredBlock {
  std::int64_t elements = 1;
  std::size_t bytes = 1;
};
constexpr StoredBlock block_of(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0:
      return {32, 18};
    case DType::kQ4_1:
      return {32, 20};
    case DType::kQ5_0:
      return {32, 22};
    case DType::kQ5_1:
      return {32, 24};
    case DType::kQ8_0:
      return {32, 34};
    case DType::kQ4_K:
      return {256, 144};
    case DType::kQ5_K:
      return {256, 176};
    case DType::kQ6_K:
      return {256, 210};
    case DType::kF64:
    case DType::kI64:
      return {1, 8};
    case DType::kF32:
    case DType::kI32:
      return {1, 4};
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16:
      return {1, 2};
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
    case DType::kF8E4M3:
    case DType::kF8E5M2:
      return {1, 1};
  }
  return {1, 1};
}

constexpr bool is_in_blocks(DType dtype) { return block_of(dtype).elements > 1; }

[[noreturn]] void fail_in_blocks(DType dtype);  // Error(kInternal)

/// Bytes of one element; not for types stored in blocks.
constexpr std::size_t size_of(DType dtype) {
  if (is_in_blocks(dtype)) fail_in_blocks(dtype);
  return block_of(dtype).bytes;
}

/// "f32", "bf16", "q4_K", ...: the text form of graphs and messages.
std::string_view name_of(DType dtype);
/// Of the types that values of a graph can have.
std::optional<DType> dtype_from_name(std::string_view name);

constexpr bool is_float(DType dtype) {
  switch (dtype) {
    case DType::kI64:
    case DType::kI32:
    case DType::kI16:
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
      return false;
    default:
      return true;
  }
}

}  // namespace semblance
