// The kernels of the processor: oneDNN for products, Highway for the rest. Each function asks for
// one op's kernel; what they decline falls to the reference.
#pragma once

#include <span>

#include "runtime/backend.h"

namespace semblance::cpu {

/// In the order in which they are asked; without the reference's, which serve as well for ops that
/// are rare or only copy rows (embedding, take_row, upsample, pool, sinusoid).
std::span<const KernelEntry> kernels();

Made make_conv2d(const NodeView& node);
Made make_linear(const NodeView& node);
Made make_attention(const NodeView& node);
Made make_group_norm(const NodeView& node);
Made make_layer_norm(const NodeView& node);
Made make_unary(const NodeView& node);
Made make_geglu(const NodeView& node);
Made make_affine(const NodeView& node);
Made make_binary(const NodeView& node);
Made make_prelu(const NodeView& node);
Made make_batch_norm(const NodeView& node);
Made make_convert(const NodeView& node);
Made make_concat(const NodeView& node);
Made make_slice(const NodeView& node);
Made make_transpose(const NodeView& node);

/// What most kernels ask of their sources: f32 or bf16.
inline bool is_computed(DType dtype) { return dtype == DType::kF32 || dtype == DType::kBF16; }

}  // namespace semblance::cpu
