#include "backend/cpu/element_functions.h"

#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/element_functions.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "backend/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace semblance::HWY_NAMESPACE {
using cpu::ElementRun;
using cpu::Function;

template <Function kFunction>
HWY_INLINE Vector apply_function(Vector x, Vector y, Vector z, Vector scale, Vector shift) {
  const Floats d;
  if constexpr (kFunction == Function::kSilu) return hn::Mul(x, sigmoid(x));
  if constexpr (kFunction == Function::kGelu) return gelu(x);
  if constexpr (kFunction == Function::kQuickGelu) {
    return hn::Mul(x, sigmoid(hn::Mul(x, hn::Set(d, 1.702F))));
  }
  if constexpr (kFunction == Function::kSigmoid) return sigmoid(x);
  if constexpr (kFunction == Function::kRelu) return hn::Max(hn::Zero(d), x);
  if constexpr (kFunction == Function::kTanh) return tanh(x);
  if constexpr (kFunction == Function::kAffine) return hn::MulAdd(x, scale, shift);
  if constexpr (kFunction == Function::kGeglu) return hn::Mul(x, gelu(y));
  if constexpr (kFunction == Function::kAdd) return hn::MulAdd(scale, y, x);
  if constexpr (kFunction == Function::kSub) return hn::Sub(x, y);
  if constexpr (kFunction == Function::kMul) return hn::Mul(x, y);
  if constexpr (kFunction == Function::kDiv) return hn::Div(x, y);
  if constexpr (kFunction == Function::kPRelu) {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(x, y));
  }
  if constexpr (kFunction == Function::kChannels) return hn::MulAdd(x, y, z);
}

constexpr bool is_parameter(Function function) {
  return function == Function::kPRelu || function == Function::kChannels;
}

template <Function kFunction, typename T>
void run_elements(const ElementRun& run) {
  using Y = std::conditional_t<is_parameter(kFunction), float, T>;
  constexpr bool kTwo = kFunction == Function::kGeglu || kFunction == Function::kAdd ||
                        kFunction == Function::kSub || kFunction == Function::kMul ||
                        kFunction == Function::kDiv || is_parameter(kFunction);
  constexpr bool kThree = kFunction == Function::kChannels;
  const Floats d;
  const T* x = reinterpret_cast<const T*>(run.x);
  const Y* y = reinterpret_cast<const Y*>(run.y);
  const float* z = reinterpret_cast<const float*>(run.z);
  T* dst = reinterpret_cast<T*>(run.dst);
  const Vector scale = hn::Set(d, run.scale);
  const Vector shift = hn::Set(d, run.shift);
  const Vector none = hn::Zero(d);
  Vector constant = none;
  if (kTwo && run.y_constant) constant = hn::Set(d, hn::GetLane(load_part(y, 1)));
  std::int64_t i = 0;
  if (kTwo && !run.y_constant) {
    for (; i + kFixedLanes <= run.count; i += kFixedLanes) {
      store(apply_function<kFunction>(load(x + i), load(y + i), kThree ? load(z + i) : none, scale,
                                      shift),
            dst + i);
    }
  } else {
    for (; i + kFixedLanes <= run.count; i += kFixedLanes) {
      store(apply_function<kFunction>(load(x + i), constant, none, scale, shift), dst + i);
    }
  }
  if (i < run.count) {
    const std::int64_t rest = run.count - i;
    const Vector second = kTwo && !run.y_constant ? load_part(y + i, rest) : constant;
    const Vector third = kThree ? load_part(z + i, rest) : none;
    store_part(apply_function<kFunction>(load_part(x + i, rest), second, third, scale, shift),
               dst + i, rest);
  }
}

template <Function kFunction>
void elements(const ElementRun& run) {
  run.bf16 ? run_elements<kFunction, std::uint16_t>(run) : run_elements<kFunction, float>(run);
}

void run_function(Function function, const ElementRun& run) {
  switch (function) {
    case Function::kSilu:
      return elements<Function::kSilu>(run);
    case Function::kGelu:
      return elements<Function::kGelu>(run);
    case Function::kQuickGelu:
      return elements<Function::kQuickGelu>(run);
    case Function::kSigmoid:
      return elements<Function::kSigmoid>(run);
    case Function::kRelu:
      return elements<Function::kRelu>(run);
    case Function::kTanh:
      return elements<Function::kTanh>(run);
    case Function::kAffine:
      return elements<Function::kAffine>(run);
    case Function::kGeglu:
      return elements<Function::kGeglu>(run);
    case Function::kAdd:
      return elements<Function::kAdd>(run);
    case Function::kSub:
      return elements<Function::kSub>(run);
    case Function::kMul:
      return elements<Function::kMul>(run);
    case Function::kDiv:
      return elements<Function::kDiv>(run);
    case Function::kPRelu:
      return elements<Function::kPRelu>(run);
    case Function::kChannels:
      return elements<Function::kChannels>(run);
  }
}

}  // namespace semblance::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace semblance {
HWY_EXPORT(run_function);
}  // namespace semblance

namespace semblance::cpu {

ElementFunction element_function() { return HWY_DYNAMIC_DISPATCH(run_function); }

}  // namespace semblance::cpu
#endif
