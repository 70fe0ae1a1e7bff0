#include <array>

#include "backend/vulkan/vulkan.h"

namespace semblance::vulkan {

std::span<const KernelEntry> kernels() {
  static constexpr std::array kTable{
      KernelEntry{Linear::kName, "vulkan_matrix_linear", make_matrix_linear},
      KernelEntry{Linear::kName, "vulkan_linear", make_linear},
      KernelEntry{Conv2d::kName, "vulkan_matrix_conv2d", make_matrix_conv2d},
      KernelEntry{Conv2d::kName, "vulkan_conv2d", make_conv2d},
      KernelEntry{Attention::kName, "vulkan_matrix_attention", make_matrix_attention},
      KernelEntry{Attention::kName, "vulkan_attention", make_attention},
      KernelEntry{GroupNorm::kName, "vulkan_group_norm", make_group_norm},
      KernelEntry{GroupMoments::kName, "vulkan_group_moments", make_group_moments},
      KernelEntry{GroupScale::kName, "vulkan_group_scale", make_group_scale},
      KernelEntry{LayerNorm::kName, "vulkan_layer_norm", make_layer_norm},
      KernelEntry{Unary::kName, "vulkan_unary", make_unary},
      KernelEntry{Binary::kName, "vulkan_binary", make_binary},
      KernelEntry{Affine::kName, "vulkan_affine", make_affine},
      KernelEntry{Convert::kName, "vulkan_convert", make_convert},
      KernelEntry{Geglu::kName, "vulkan_geglu", make_geglu},
      KernelEntry{Sinusoid::kName, "vulkan_sinusoid", make_sinusoid},
      KernelEntry{Concat::kName, "vulkan_concat", make_concat},
      KernelEntry{Slice::kName, "vulkan_slice", make_slice},
      KernelEntry{Paste::kName, "vulkan_paste", make_paste},
      KernelEntry{Transpose::kName, "vulkan_transpose", make_transpose},
      KernelEntry{Spill::kName, "vulkan_copy", make_copy},
      KernelEntry{Fetch::kName, "vulkan_copy", make_copy},
      KernelEntry{Embedding::kName, "vulkan_embedding", make_embedding},
      KernelEntry{TakeRow::kName, "vulkan_take_row", make_take_row},
      KernelEntry{Upsample::kName, "vulkan_upsample", make_upsample},
      KernelEntry{ScaleLowFrequencies::kName, "vulkan_scale_low_frequencies",
                  make_scale_low_frequencies},
  };
  return kTable;
}

}  // namespace semblance::vulkan
