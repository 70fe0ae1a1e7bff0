#include <array>

#include "backend/cpu/cpu.h"

namespace semblance::cpu {

std::span<const KernelEntry> kernels() {
  static constexpr std::array kTable{
      KernelEntry{Conv2d::kName, "onednn_conv2d", make_conv2d},
      KernelEntry{Linear::kName, "onednn_linear", make_linear},
      KernelEntry{Attention::kName, "cpu_attention", make_attention},
  };
  return kTable;
}

}  // namespace semblance::cpu
