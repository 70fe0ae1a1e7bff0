#include <array>

#include "backend/cpu/cpu.h"

namespace semblance::cpu {

std::span<const KernelEntry> kernels() {
  constexpr bool kGenerates = true;
  static constexpr std::array kTable{
      KernelEntry{Conv2d::kName, "cpu_conv2d", make_product},
      KernelEntry{Conv2d::kName, "onednn_conv2d", make_onednn, kGenerates},
      KernelEntry{Linear::kName, "cpu_linear", make_product},
      KernelEntry{Linear::kName, "onednn_linear", make_onednn, kGenerates},
      KernelEntry{Attention::kName, "cpu_attention", make_attention},
      KernelEntry{GroupNorm::kName, "cpu_group_norm", make_group_norm},
      KernelEntry{GroupMoments::kName, "cpu_group_moments", make_group_moments},
      KernelEntry{GroupScale::kName, "cpu_group_scale", make_group_scale},
      KernelEntry{LayerNorm::kName, "cpu_layer_norm", make_layer_norm},
      KernelEntry{Unary::kName, "cpu_unary", make_unary},
      KernelEntry{Geglu::kName, "cpu_geglu", make_geglu},
      KernelEntry{Affine::kName, "cpu_affine", make_affine},
      KernelEntry{Binary::kName, "cpu_binary", make_binary},
      KernelEntry{PRelu::kName, "cpu_prelu", make_prelu},
      KernelEntry{BatchNorm::kName, "cpu_batch_norm", make_batch_norm},
      KernelEntry{Convert::kName, "cpu_convert", make_convert},
      KernelEntry{Concat::kName, "cpu_concat", make_concat},
      KernelEntry{Slice::kName, "cpu_slice", make_slice},
      KernelEntry{Paste::kName, "cpu_paste", make_paste},
      KernelEntry{Blank::kName, "cpu_blank", make_blank},
      KernelEntry{Spill::kName, "cpu_copy", make_copy},
      KernelEntry{Fetch::kName, "cpu_copy", make_copy},
      KernelEntry{Transpose::kName, "cpu_transpose", make_transpose},
  };
  return kTable;
}

}  // namespace semblance::cpu
