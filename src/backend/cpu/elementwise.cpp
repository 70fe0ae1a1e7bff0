// Pointwise ops: activations, arithmetic, per-channel scales.
#include <algorithm>
#include <array>
#include <cmath>

#include "backend/cpu/cpu.h"
#include "backend/cpu/element_functions.h"
#include "core/parallel.h"

namespace semblance::cpu {
namespace {

/// Elements that a worker takes at once, so that short runs are not split.
constexpr std::int64_t kGrain = 4096;

std::int64_t element_of(const NodeView& node) {
  return static_cast<std::int64_t>(size_of(node.src(0).dtype));
}

/// A function of each element and two constants.
class MapKernel : public HostKernel {
 public:
  MapKernel(const NodeView& node, Function function, float scale, float shift)
      : HostKernel(node),
        function_(function),
        element_(element_of(node)),
        count_(node.dst().shape.elements()),
        scale_(scale),
        shift_(shift) {}

  void run(const KernelCall& call) const override {
    const auto chosen = element_function();
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

class GegluKernel : public HostKernel {
 public:
  explicit GegluKernel(const NodeView& node)
      : HostKernel(node),
        element_(element_of(node)),
        c_(node.dst().shape[-1]),
        rows_(c_ == 0 ? 0 : node.dst().shape.elements() / c_) {}

  void run(const KernelCall& call) const override {
    const auto chosen = element_function();
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

/// Applies a single number or a vector [c] to each row of channels; batch norm also adds a vector.
class ChannelsKernel : public HostKernel {
 public:
  ChannelsKernel(const NodeView& node, Function function)
      : HostKernel(node),
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
    const auto chosen = element_function();
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
  /// Folds weight, bias, mean and variance into a factor and a shift.
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

/// x has the result's shape, y is broadcast to it. Works in rows of `inner_` elements; in each, y
/// is a whole row or a single element.
class BinaryKernel : public HostKernel {
 public:
  BinaryKernel(const NodeView& node, Function function)
      : HostKernel(node),
        function_(function),
        scale_(node.op<Binary>().scale),
        element_(element_of(node)) {
    const Shape& dst = node.dst().shape;
    const Shape& y = node.src(1).shape;
    const auto y_size = [&](int axis) {
      const int at = axis - (dst.rank() - y.rank());
      return at < 0 ? 1 : y[at];
    };
    // From the last axis on, for as long as y consistently repeats or does not.
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
    const auto chosen = element_function();
    // Long rows are split, too.
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
  std::array<std::int64_t, Shape::kMaxRank> sizes_{};    // of the outer axes, fastest first
  std::array<std::int64_t, Shape::kMaxRank> strides_{};  // of y
};

}  // namespace

Made make_unary(const NodeView& node, const Device&) {
  const std::string why_not = why_not_computed(node);
  if (!why_not.empty()) return decline(why_not);
  static constexpr std::array kFunctions{Function::kSilu,    Function::kGelu, Function::kQuickGelu,
                                         Function::kSigmoid, Function::kRelu, Function::kTanh};
  const Function function = kFunctions[static_cast<std::size_t>(node.op<Unary>().fn)];
  return accept(std::make_unique<MapKernel>(node, function, 1.0F, 0.0F));
}

Made make_affine(const NodeView& node, const Device&) {
  const std::string why_not = why_not_computed(node);
  if (!why_not.empty()) return decline(why_not);
  const auto& op = node.op<Affine>();
  return accept(std::make_unique<MapKernel>(node, Function::kAffine, op.scale, op.shift));
}

Made make_geglu(const NodeView& node, const Device&) {
  const std::string why_not = why_not_computed(node);
  if (!why_not.empty()) return decline(why_not);
  return accept(std::make_unique<GegluKernel>(node));
}

Made make_binary(const NodeView& node, const Device&) {
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

Made make_prelu(const NodeView& node, const Device&) {
  const std::string why_not = why_not_computed(node);
  if (!why_not.empty()) return decline(why_not);
  if (node.src(1).dtype != DType::kF32) return decline("the slope is not f32");
  return accept(std::make_unique<ChannelsKernel>(node, Function::kPRelu));
}

Made make_batch_norm(const NodeView& node, const Device&) {
  const std::string why_not = why_not_computed(node);
  if (!why_not.empty()) return decline(why_not);
  for (int i = 1; i < 5; ++i) {
    if (node.src(i).dtype != DType::kF32) return decline("a parameter is not f32");
  }
  return accept(std::make_unique<ChannelsKernel>(node, Function::kChannels));
}

}  // namespace semblance::cpu
