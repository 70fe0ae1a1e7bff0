// The processor's kernels: oneDNN for products, Highway for the rest. Each function makes one op's
// kernel; what it declines falls back to the reference.
#pragma once

#include <span>
#include <string>

#include "runtime/host_device.h"

namespace semblance::cpu {

/// In order of preference, without the reference's. Those are good enough for ops that are rare or
/// only copy rows (embedding, take_row, upsample, pool, sinusoid).
std::span<const KernelEntry> kernels();

Made make_product(const NodeView& node, const Device&);  // linear layers and convolutions
Made make_onednn(const NodeView& node, const Device&);   // likewise
Made make_attention(const NodeView& node, const Device&);
Made make_group_norm(const NodeView& node, const Device&);
Made make_group_moments(const NodeView& node, const Device&);
Made make_group_scale(const NodeView& node, const Device&);
Made make_layer_norm(const NodeView& node, const Device&);
Made make_unary(const NodeView& node, const Device&);
Made make_geglu(const NodeView& node, const Device&);
Made make_affine(const NodeView& node, const Device&);
Made make_binary(const NodeView& node, const Device&);
Made make_prelu(const NodeView& node, const Device&);
Made make_batch_norm(const NodeView& node, const Device&);
Made make_convert(const NodeView& node, const Device&);
Made make_concat(const NodeView& node, const Device&);
Made make_slice(const NodeView& node, const Device&);
Made make_paste(const NodeView& node, const Device&);
Made make_blank(const NodeView& node, const Device&);
Made make_copy(const NodeView& node, const Device&);
Made make_transpose(const NodeView& node, const Device&);

/// Whether most kernels can compute in this dtype.
inline bool is_computed(DType dtype) { return dtype == DType::kF32 || dtype == DType::kBF16; }
/// Why a kernel that needs x in such a dtype declines; empty if it accepts.
inline std::string why_not_computed(const NodeView& node) {
  const DType dtype = node.src(0).dtype;
  return is_computed(dtype) ? "" : fmt::format("x is {}, not f32 or bf16", name_of(dtype));
}

/// The same for layer and group norms, which also need an f32 weight and bias (source `weight` and
/// the next).
inline std::string why_not_norm(const NodeView& node, int weight) {
  std::string why_not = why_not_computed(node);
  const bool f32 =
      node.src(weight).dtype == DType::kF32 && node.src(weight + 1).dtype == DType::kF32;
  if (why_not.empty() && !f32) why_not = "weight and bias are not f32";
  return why_not;
}

}  // namespace semblance::cpu
