// Converts numbers stored in less than 16 bits to f32: ggml's blocks and the two 8-bit floats. Each
// value is exactly that of gguf-py and torch. Runs at memory speed (Highway, which selects the
// instructions at run time). Formulas: ggml's ggml-quants.c, with block_of()'s sizes; d and m are
// f16, q is a stored value:
//   q4_0 d (q - 8)         q5_0 d (q - 16)    q8_0 d q
//   q4_1 d q + m           q5_1 d q + m
//   q4_K, q5_K d sc q - m mn, with 6-bit sc and mn for each 32 values
//   q6_K d sc (q - 32), with 8-bit sc for each 16 values
#pragma once

#include <cstddef>
#include <span>

#include "core/dtype.h"

namespace semblance {

/// Whole blocks of a type stored in blocks. dst.size() is a multiple of block_of(dtype).elements,
/// src has as many blocks. Runs on the calling thread and allocates nothing.
void dequantize(DType dtype, std::span<const std::byte> src, std::span<float> dst);

/// kF8E4M3 or kF8E5M2; src.size() == dst.size().
void f8_to_f32(DType dtype, std::span<const std::byte> src, std::span<float> dst);

/// values[i] *= factor.
void multiply(std::span<float> values, float factor);

}  // namespace semblance
