// Layer normalisation.
#include <cmath>

#include "backend/cpu/cpu.h"
#include "core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/layer_norm.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "backend/cpu/vectors-inl.h"

#ifndef SEMBLANCE_LAYER_NORM_ONCE
#define SEMBLANCE_LAYER_NORM_ONCE
namespace semblance::cpu {

struct LayerRows {
  const std::byte* src;
  std::byte* dst;
  std::int64_t rows, c;
  const float* weight;
  const float* bias;
  float eps;
  bool bf16;
};

}  // namespace semblance::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace semblance::HWY_NAMESPACE {
using cpu::LayerRows;

/// Sum of f(x) over a row, in four vectors of partial sums.
template <typename T, typename F>
HWY_INLINE float sum_row(const T* src, std::int64_t c, F f) {
  const Floats d;
  Vector sums[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  std::int64_t i = 0;
  for (; i + 4 * kFixedLanes <= c; i += 4 * kFixedLanes) {
    for (int j = 0; j < 4; ++j) sums[j] = hn::Add(sums[j], f(load(src + i + j * kFixedLanes)));
  }
  for (; i + kFixedLanes <= c; i += kFixedLanes) sums[0] = hn::Add(sums[0], f(load(src + i)));
  float sum =
      hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]))));
  if (i < c) {
    float part[kMaxLanes];
    store(f(load_part(src + i, c - i)), part);
    for (std::int64_t j = 0; j < c - i; ++j) sum += part[j];
  }
  return sum;
}

template <typename T>
void layer_rows_of(const LayerRows& s) {
  const Floats d;
  for (std::int64_t row = 0; row < s.rows; ++row) {
    const T* src = reinterpret_cast<const T*>(s.src) + row * s.c;
    T* dst = reinterpret_cast<T*>(s.dst) + row * s.c;
    const float count = static_cast<float>(s.c);
    // Relative to the first element, so that a large common offset does not cost precision.
    const Vector origin = hn::Set(d, hn::GetLane(load_part(src, 1)));
    const float offset =
        sum_row(src, s.c, [origin](Vector x) HWY_ATTR { return hn::Sub(x, origin); }) / count;
    const Vector mean = hn::Add(origin, hn::Set(d, offset));
    const float squares = sum_row(src, s.c, [mean](Vector x) HWY_ATTR {
      const Vector distance = hn::Sub(x, mean);
      return hn::Mul(distance, distance);
    });
    const Vector scale = hn::Set(d, 1.0F / std::sqrt(squares / count + s.eps));
    std::int64_t i = 0;
    for (; i + kFixedLanes <= s.c; i += kFixedLanes) {
      const Vector x = hn::Mul(hn::Sub(load(src + i), mean), scale);
      store(hn::MulAdd(x, load(s.weight + i), load(s.bias + i)), dst + i);
    }
    if (i < s.c) {
      const Vector x = hn::Mul(hn::Sub(load_part(src + i, s.c - i), mean), scale);
      store_part(hn::MulAdd(x, load_part(s.weight + i, s.c - i), load_part(s.bias + i, s.c - i)),
                 dst + i, s.c - i);
    }
  }
}

void layer_rows(const LayerRows& s) {
  s.bf16 ? layer_rows_of<std::uint16_t>(s) : layer_rows_of<float>(s);
}

}  // namespace semblance::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace semblance {
HWY_EXPORT(layer_rows);
}  // namespace semblance

namespace semblance::cpu {
namespace {

class LayerNormKernel : public HostKernel {
 public:
  explicit LayerNormKernel(const NodeView& node)
      : HostKernel(node),
        eps_(node.op<LayerNorm>().eps),
        bf16_(node.src(0).dtype == DType::kBF16),
        c_(node.src(0).shape[-1]),
        rows_(node.src(0).shape.elements() / c_) {}

  void run(const KernelCall& call) const override {
    const auto chosen = HWY_DYNAMIC_DISPATCH(layer_rows);
    const std::int64_t stride = c_ * (bf16_ ? 2 : 4);
    parallel_ranges(rows_, 4, [&](std::int64_t begin, std::int64_t end, int) {
      chosen({call.src[0] + begin * stride, call.dst + begin * stride, end - begin, c_,
              reinterpret_cast<const float*>(call.src[1]),
              reinterpret_cast<const float*>(call.src[2]), eps_, bf16_});
    });
  }

 private:
  float eps_;
  bool bf16_;
  std::int64_t c_, rows_;
};

}  // namespace

Made make_layer_norm(const NodeView& node, const Device&) {
  const std::string why_not = why_not_norm(node, 1);
  if (!why_not.empty()) return decline(why_not);
  if (node.dst().shape.elements() == 0) return decline("x is empty");
  return accept(std::make_unique<LayerNormKernel>(node));
}

}  // namespace semblance::cpu
#endif
