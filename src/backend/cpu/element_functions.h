// What an element goes through in the ops of elementwise.cpp, in the widest vectors that the
// processor has.
#pragma once

#include <cstddef>
#include <cstdint>

namespace semblance::cpu {

/// What a run of `count` elements goes through; a and b hold an element each of x's.
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
  const std::byte* y;  // null but for functions of two
  const std::byte* z;
  std::byte* dst;
  std::int64_t count;
  bool y_constant;  // one element of y for all
  bool bf16;        // x and dst, and y where it is not a parameter
  float scale, shift;
};

/// The code for this processor. It touches nothing but the run's elements.
using ElementFunction = void (*)(Function, const ElementRun&);
ElementFunction element_function();

}  // namespace semblance::cpu
