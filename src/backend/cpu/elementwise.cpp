// Ops in which every element stands alone: activations, arithmetic, channel-wise scales.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "backend/cpu/cpu.h"
#include "core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/elementwise.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "backend/cpu/vectors-inl.h"

#ifndef SEMBLANCE_ELEMENTWISE_ONCE
#define SEMBLANCE_ELEMENTWISE_ONCE
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

}  // namespace semblance::cpu
#endif

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
namespace {

/// Elements that a worker takes at once, so that short runs are not divided.
constexpr std::int64_t kGrain = 4096;

std::int64_t element_of(const NodeView& node) {
  return static_cast<std::int64_t>(size_of(node.src(0).dtype));
}

std::string why_not_computed(const NodeView& node) {
  const DType dtype = node.src(0).dtype;
  return is_computed(dtype) ? "" : fmt::format("x is {}, not f32 or bf16", name_of(dtype));
}

/// A function of each element and constants.
class MapKernel : public PlainKernel {
 public:
  MapKernel(const NodeView& node, Function function, float scale, float shift)
      : PlainKernel(node),
        function_(function),
        element_(element_of(node)),
        count_(node.dst().shape.elements()),
        scale_(scale),
        shift_(shift) {}

  void run(const KernelCall& call) const override {
    const auto chosen = HWY_DYNAMIC_DISPATCH(run_function);
    parallel_ranges(count_, kGrain, [&](std::int64_t begin, std::int64_t end, int) {
      ElementRun part{};
      part.x = call.src[0] + begin * element_;
      part.dst = call.dst + begin * element_;
      part.count = end - begin;
      part.bf16 = element_ == 2;
      part.scale = scale_;
      part.shift = shift_;
      chosen(function_, part);
    });
  }

 private:
  Function function_;
  std::int64_t element_, count_;
  float scale_, shift_;
};

class GegluKernel : public PlainKernel {
 public:
  explicit GegluKernel(const NodeView& node)
      : PlainKernel(node),
        element_(element_of(node)),
        c_(node.dst().shape[-1]),
        rows_(c_ == 0 ? 0 : node.dst().shape.elements() / c_) {}

  void run(const KernelCall& call) const override {
    const auto chosen = HWY_DYNAMIC_DISPATCH(run_function);
    parallel_ranges(rows_, 4, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t row = begin; row < end; ++row) {
        ElementRun part{};
        part.x = call.src[0] + row * 2 * c_ * element_;
        part.y = part.x + c_ * element_;
        part.dst = call.dst + row * c_ * element_;
        part.count = c_;
        part.bf16 = element_ == 2;
        chosen(Function::kGeglu, part);
      }
    });
  }

 private:
  std::int64_t element_, c_, rows_;
};

/// One number, or a vector [c], for each row of channels; with_shift adds another.
class ChannelsKernel : public PlainKernel {
 public:
  ChannelsKernel(const NodeView& node, Function function)
      : PlainKernel(node),
        function_(function),
        batch_norm_(std::holds_alternative<BatchNorm>(node.any_op())),
        eps_(batch_norm_ ? node.op<BatchNorm>().eps : 0),
        one_(!batch_norm_ && node.src(1).shape[0] == 1),
        element_(element_of(node)),
        c_(node.dst().shape[-1]),
        rows_(c_ == 0 ? 0 : node.dst().shape.elements() / c_) {}

  std::size_t scratch_bytes() const override {
    return batch_norm_ ? 2 * static_cast<std::size_t>(c_) * sizeof(float) : 0;
  }

  void run(const KernelCall& call) const override {
    const auto chosen = HWY_DYNAMIC_DISPATCH(run_function);
    ElementRun all{};
    all.y = call.src[1];
    if (batch_norm_) {
      fold(call);
      all.y = call.scratch;
      all.z = call.scratch + c_ * 4;
    }
    all.y_constant = one_;
    all.bf16 = element_ == 2;
    all.count = c_;
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(c_, 1));
    parallel_ranges(rows_, grain, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t row = begin; row < end; ++row) {
        ElementRun part = all;
        part.x = call.src[0] + row * c_ * element_;
        part.dst = call.dst + row * c_ * element_;
        chosen(function_, part);
      }
    });
  }

 private:
  /// Weight, bias, mean and variance as a factor and a sum.
  void fold(const KernelCall& call) const {
    auto* factor = reinterpret_cast<float*>(call.scratch);
    std::array<const float*, 5> of{};
    for (std::size_t i = 1; i < 5; ++i) of[i] = reinterpret_cast<const float*>(call.src[i]);
    for (std::int64_t i = 0; i < c_; ++i) {
      const double scale = static_cast<double>(of[1][i]) /
                           std::sqrt(static_cast<double>(of[4][i]) + static_cast<double>(eps_));
      factor[i] = static_cast<float>(scale);
      factor[c_ + i] =
          static_cast<float>(static_cast<double>(of[2][i]) - static_cast<double>(of[3][i]) * scale);
    }
  }

  Function function_;
  bool batch_norm_;
  float eps_;
  bool one_;
  std::int64_t element_, c_, rows_;
};

/// x with the result's shape, y broadcast to it: rows of `inner_` elements, within which y is
/// either as long or one element.
class BinaryKernel : public PlainKernel {
 public:
  BinaryKernel(const NodeView& node, Function function)
      : PlainKernel(node),
        function_(function),
        scale_(node.op<Binary>().scale),
        element_(element_of(node)) {
    const Shape& dst = node.dst().shape;
    const Shape& y = node.src(1).shape;
    const auto y_size = [&](int axis) {
      const int at = axis - (dst.rank() - y.rank());
      return at < 0 ? 1 : y[at];
    };
    // From the last axis on, as long as y keeps its way.
    int axis = dst.rank() - 1;
    for (; axis >= 0; --axis) {
      if (dst[axis] == 1) continue;
      const bool repeats = y_size(axis) == 1;
      if (inner_ > 1 && repeats != y_constant_) break;
      y_constant_ = repeats;
      inner_ *= dst[axis];
    }
    std::int64_t y_stride = y_constant_ ? 1 : inner_;
    for (; axis >= 0; --axis) {
      const auto at = static_cast<std::size_t>(outer_count_++);
      sizes_[at] = dst[axis];
      strides_[at] = y_size(axis) == 1 ? 0 : y_stride;
      y_stride *= y_size(axis);
      rows_ *= dst[axis];
    }
    if (inner_ == 1) y_constant_ = true;
  }

  void run(const KernelCall& call) const override {
    const auto chosen = HWY_DYNAMIC_DISPATCH(run_function);
    // Long rows are cut too.
    const std::int64_t pieces = (inner_ + kGrain - 1) / kGrain;
    const std::int64_t grain =
        std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(inner_, 1));
    parallel_ranges(rows_ * pieces, grain, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t row = i / pieces;
        const std::int64_t first = i % pieces * kGrain;
        ElementRun part{};
        part.x = call.src[0] + (row * inner_ + first) * element_;
        part.y = call.src[1] + (y_of(row) + (y_constant_ ? 0 : first)) * element_;
        part.dst = call.dst + (row * inner_ + first) * element_;
        part.count = std::min(kGrain, inner_ - first);
        part.y_constant = y_constant_;
        part.bf16 = element_ == 2;
        part.scale = scale_;
        chosen(function_, part);
      }
    });
  }

 private:
  std::int64_t y_of(std::int64_t row) const {
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(outer_count_); ++i) {
      offset += row % sizes_[i] * strides_[i];
      row /= sizes_[i];
    }
    return offset;
  }

  Function function_;
  float scale_;
  std::int64_t element_;
  std::int64_t inner_ = 1;
  std::int64_t rows_ = 1;
  bool y_constant_ = false;
  int outer_count_ = 0;
  std::array<std::int64_t, Shape::kMaxRank> sizes_{};    // of rows, the fastest first
  std::array<std::int64_t, Shape::kMaxRank> strides_{};  // of y
};

}  // namespace

Made make_unary(const NodeView& node) {
  const std::string why_not = why_not_computed(node);
  if (!why_not.empty()) return decline(why_not);
  static constexpr std::array kFunctions{Function::kSilu,    Function::kGelu, Function::kQuickGelu,
                                         Function::kSigmoid, Function::kRelu, Function::kTanh};
  const Function function = kFunctions[static_cast<std::size_t>(node.op<Unary>().fn)];
  return accept(std::make_unique<MapKernel>(node, function, 1.0F, 0.0F));
}

Made make_affine(const NodeView& node) {
  const std::string why_not = why_not_computed(node);
  if (!why_not.empty()) return decline(why_not);
  const auto& op = node.op<Affine>();
  return accept(std::make_unique<MapKernel>(node, Function::kAffine, op.scale, op.shift));
}

Made make_geglu(const NodeView& node) {
  const std::string why_not = why_not_computed(node);
  if (!why_not.empty()) return decline(why_not);
  return accept(std::make_unique<GegluKernel>(node));
}

Made make_binary(const NodeView& node) {
  const std::string why_not = why_not_computed(node);
  if (!why_not.empty()) return decline(why_not);
  if (node.src(1).dtype != node.src(0).dtype) return decline("x and y have different types");
  if (node.src(0).shape != node.dst().shape) return decline("x is broadcast");
  if (node.dst().shape.elements() == 0) return decline("x is empty");
  static constexpr std::array kFunctions{Function::kAdd, Function::kSub, Function::kMul,
                                         Function::kDiv};
  return accept(std::make_unique<BinaryKernel>(
      node, kFunctions[static_cast<std::size_t>(node.op<Binary>().fn)]));
}

Made make_prelu(const NodeView& node) {
  const std::string why_not = why_not_computed(node);
  if (!why_not.empty()) return decline(why_not);
  if (node.src(1).dtype != DType::kF32) return decline("the slope is not f32");
  return accept(std::make_unique<ChannelsKernel>(node, Function::kPRelu));
}

Made make_batch_norm(const NodeView& node) {
  const std::string why_not = why_not_computed(node);
  if (!why_not.empty()) return decline(why_not);
  for (int i = 1; i < 5; ++i) {
    if (node.src(i).dtype != DType::kF32) return decline("a parameter is not f32");
  }
  return accept(std::make_unique<ChannelsKernel>(node, Function::kChannels));
}

}  // namespace semblance::cpu
#endif
