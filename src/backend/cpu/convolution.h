// Convolutions and linear layers as the kernels see them: both are convolutions.
#pragma once

#include <string>

#include "backend/cpu/onednn.h"
#include "backend/cpu/packed_weight.h"

namespace semblance::cpu {

/// A Conv2d or Linear.
struct ConvolutionNode {
  onednn::ConvolutionShape shape;
  std::string why_not;           // it cannot be computed; empty if it can
  int bias = -1, residual = -1;  // sources; -1 for none
};
ConvolutionNode convolution_of(const NodeView& node);

}  // namespace semblance::cpu
