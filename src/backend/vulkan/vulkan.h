// The graphics cards' kernels, as compute shaders. Each function makes one op's kernel for a
// VulkanDevice. Nothing stands behind them: an op that all decline is refused by name.
//
// They store f32 or f16 and compute in f32. No sum's order depends on the size of a work group or
// of a tile, so a part has the bits of the whole, also by output channels.
#pragma once

#include <span>

#include "runtime/backend.h"

namespace semblance::vulkan {

std::span<const KernelEntry> kernels();

Made make_linear(const NodeView& node, const Device& device);
Made make_conv2d(const NodeView& node, const Device& device);
/// The same in f16 by cooperative matrices.
Made make_matrix_linear(const NodeView& node, const Device& device);
Made make_matrix_conv2d(const NodeView& node, const Device& device);
Made make_matrix_attention(const NodeView& node, const Device& device);
Made make_attention(const NodeView& node, const Device& device);
Made make_group_norm(const NodeView& node, const Device& device);
Made make_group_moments(const NodeView& node, const Device& device);
Made make_group_scale(const NodeView& node, const Device& device);
Made make_layer_norm(const NodeView& node, const Device& device);
Made make_unary(const NodeView& node, const Device& device);
Made make_binary(const NodeView& node, const Device& device);
Made make_affine(const NodeView& node, const Device& device);
Made make_convert(const NodeView& node, const Device& device);
Made make_geglu(const NodeView& node, const Device& device);
Made make_sinusoid(const NodeView& node, const Device& device);
Made make_concat(const NodeView& node, const Device& device);
Made make_slice(const NodeView& node, const Device& device);
Made make_paste(const NodeView& node, const Device& device);
Made make_transpose(const NodeView& node, const Device& device);
Made make_copy(const NodeView& node, const Device& device);
Made make_embedding(const NodeView& node, const Device& device);
Made make_take_row(const NodeView& node, const Device& device);
Made make_upsample(const NodeView& node, const Device& device);
Made make_scale_low_frequencies(const NodeView& node, const Device& device);

}  // namespace semblance::vulkan
