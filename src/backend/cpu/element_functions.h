// The functions of elementwise.cpp's ops, in the processor's widest vectors.
#pragma once

#include <cstddef>
#include <cstdint>

namespace semblance::cpu {

/// The function applied to each element.
enum class Function : std::uint8_t {
  kSilu,
  kGelu,
  kQuickGelu,
  kSigmoid,
  kRelu,
  kTanh,
  kAffine,  // x * scale + shift
  kGeglu,   // x * gelu(y)
  kAdd,     // x + scale * y
  kSub,
  kMul,
  kDiv,
  kPRelu,     // y: slopes, f32
  kChannels,  // x * y + z: y and z f32
};

struct ElementRun {
  const std::byte* x;
  const std::byte* y;  // null except for functions of two sources
  const std::byte* z;
  std::byte* dst;
  std::int64_t count;
  bool y_constant;  // y is a single element for all
  bool bf16;        // x and dst, and y unless it is a parameter
  float scale, shift;
};

/// The code for this processor. It touches only the run's elements.
using ElementFunction = void (*)(Function, const ElementRun&);
ElementFunction element_function();

}  // namespace semblance::cpu
