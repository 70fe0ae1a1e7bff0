#include <cmath>
#include <numbers>

#include "backend/ref/run.h"

namespace semblance::reference {

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2)); }

double apply(UnaryFn fn, double x) {
  switch (fn) {
    case UnaryFn::kSilu:
      return x * sigmoid(x);
    case UnaryFn::kGelu:
      return gelu(x);
    case UnaryFn::kQuickGelu:
      return x * sigmoid(1.702 * x);
    case UnaryFn::kSigmoid:
      return sigmoid(x);
    case UnaryFn::kRelu:
      return x < 0 ? 0 : x;  // NaN stays NaN
    case UnaryFn::kTanh:
      return std::tanh(x);
  }
  return x;
}

double apply(const Binary& op, double x, double y) {
  switch (op.fn) {
    case BinaryFn::kAdd:
      return x + static_cast<double>(op.scale) * y;
    case BinaryFn::kSub:
      return x - y;
    case BinaryFn::kMul:
      return x * y;
    case BinaryFn::kDiv:
      return x / y;
  }
  return x;
}

/// Sets every element of the result to f(element of source 0).
template <typename F>
void each(const Run& r, F&& f) {
  const Floats x = r.floats(0);
  parallel_ranges(r.dst_type.shape.elements(), 64, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) r.result().set(i, f(static_cast<double>(x[i]), i));
  });
}

/// The index, in a source of `shape` that is broadcast to `dst`, of the result's element `index`.
std::int64_t broadcast_index(const Shape& shape, const Shape& dst, std::int64_t index) {
  std::int64_t result = 0;
  std::int64_t stride = 1;
  for (int axis = 1; axis <= shape.rank(); ++axis) {
    if (shape[-axis] != 1) result += index % dst[-axis] * stride;
    stride *= shape[-axis];
    index /= dst[-axis];
  }
  return result;
}

}  // namespace

void run(const Unary& op, const Run& r) {
  each(r, [&](double x, std::int64_t) { return apply(op.fn, x); });
}

void run(const Affine& op, const Run& r) {
  each(r, [&](double x, std::int64_t) {
    return x * static_cast<double>(op.scale) + static_cast<double>(op.shift);
  });
}

void run(const Convert&, const Run& r) {
  each(r, [](double x, std::int64_t) { return x; });
}

void run(const PRelu&, const Run& r) {
  const Floats slope = r.floats(1);
  const std::int64_t slopes = r.shape(1)[0];
  each(r, [&](double x, std::int64_t i) {
    return x > 0 ? x : x * static_cast<double>(slope[i % slopes]);
  });
}

void run(const Binary& op, const Run& r) {
  const Shape& dst = r.dst_type.shape;
  const Floats x = r.floats(0);
  const Floats y = r.floats(1);
  parallel_ranges(dst.elements(), 64, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      r.result().set(i, apply(op, static_cast<double>(x[broadcast_index(r.shape(0), dst, i)]),
                              static_cast<double>(y[broadcast_index(r.shape(1), dst, i)])));
    }
  });
}

void run(const Geglu&, const Run& r) {
  const std::int64_t c = r.dst_type.shape[-1];
  const Floats x = r.floats(0);
  parallel_for(r.shape(0).elements_before(-1), [&](std::int64_t row) {
    for (std::int64_t i = 0; i < c; ++i) {
      r.result().set(row * c + i, static_cast<double>(x[row * 2 * c + i]) *
                                      gelu(static_cast<double>(x[row * 2 * c + c + i])));
    }
  });
}

// In float, like torch: at timestep 999 the rounding of the frequencies is visible.
void run(const Sinusoid& op, const Run& r) {
  const std::int64_t half = op.dim / 2;
  const Floats x = r.floats(0);
  for (std::int64_t row = 0; row < r.shape(0)[0]; ++row) {
    for (std::int64_t i = 0; i < half; ++i) {
      const float exponent =
          -std::log(10000.0F) * static_cast<float>(i) / (static_cast<float>(half) - op.shift);
      const float angle = x[row] * std::exp(exponent);
      r.result().set(row * op.dim + i + (op.flip ? half : 0), std::sin(static_cast<double>(angle)));
      r.result().set(row * op.dim + i + (op.flip ? 0 : half), std::cos(static_cast<double>(angle)));
    }
  }
}

}  // namespace semblance::reference
