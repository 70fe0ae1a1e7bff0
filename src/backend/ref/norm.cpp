#include <cmath>

#include "backend/ref/run.h"

namespace semblance::reference {

namespace {

double silu(double x) { return x / (1 + std::exp(-x)); }

/// Mean and 1 / sqrt(var + eps) of the `count` numbers value(i).
struct Moments {
  double mean;
  double inverse_deviation;
};
template <typename F>
Moments moments(std::int64_t count, double eps, F&& value) {
  double mean = 0;
  for (std::int64_t i = 0; i < count; ++i) mean += value(i);
  mean /= static_cast<double>(count);
  double variance = 0;
  for (std::int64_t i = 0; i < count; ++i) variance += (value(i) - mean) * (value(i) - mean);
  variance /= static_cast<double>(count);
  return {mean, 1 / std::sqrt(variance + eps)};
}

}  // namespace

void run(const GroupNorm& op, const Run& r) {
  const Shape& shape = r.shape(0);
  const std::int64_t c = shape[-1];
  const std::int64_t pixels = shape.with(0, 1).elements_before(-1);
  const std::int64_t width = c / op.groups;
  const Floats x = r.floats(0);

  parallel_for(shape[0] * op.groups, [&](std::int64_t item) {
    const std::int64_t picture = item / op.groups;
    const std::int64_t first = item % op.groups * width;
    const auto index = [&](std::int64_t i) {
      return (picture * pixels + i / width) * c + first + i % width;
    };
    const Moments m = moments(pixels * width, static_cast<double>(op.eps),
                              [&](std::int64_t i) { return static_cast<double>(x[index(i)]); });
    for (std::int64_t i = 0; i < pixels * width; ++i) {
      const std::int64_t channel = first + i % width;
      const double normal = (static_cast<double>(x[index(i)]) - m.mean) * m.inverse_deviation;
      const double value = normal * static_cast<double>(r.floats(1)[channel]) +
                           static_cast<double>(r.floats(2)[channel]);
      r.result().set(index(i), op.silu ? silu(value) : value);
    }
  });
}

void run(const GroupMoments& op, const Run& r) {
  const Shape& shape = r.shape(0);
  const std::int64_t c = shape[-1];
  const std::int64_t pixels = shape.with(0, 1).elements_before(-1);
  const std::int64_t width = c / op.groups;
  const std::int64_t chunks = r.dst_type.shape[1];
  const Floats x = r.floats(0);
  auto* dst = reinterpret_cast<double*>(r.call.dst);

  parallel_for(r.dst_type.shape.elements_before(-1), [&](std::int64_t item) {
    const std::int64_t group = item % op.groups;
    const std::int64_t chunk = item / op.groups % chunks;
    const std::int64_t picture = item / op.groups / chunks;
    const std::int64_t first = chunk * op.chunk_pixels;
    const std::int64_t count = std::min(op.chunk_pixels, pixels - first) * width;
    const auto value = [&](std::int64_t i) {
      return static_cast<double>(
          x[(picture * pixels + first + i / width) * c + group * width + i % width]);
    };
    double mean = 0;
    for (std::int64_t i = 0; i < count; ++i) mean += value(i);
    mean /= static_cast<double>(count);
    double squares = 0;
    for (std::int64_t i = 0; i < count; ++i) squares += (value(i) - mean) * (value(i) - mean);
    dst[item * 3] = static_cast<double>(count);
    dst[item * 3 + 1] = mean;
    dst[item * 3 + 2] = squares;
  });
}

void run(const GroupScale& op, const Run& r) {
  const Shape& shape = r.shape(0);
  const std::int64_t c = shape[-1];
  const std::int64_t pixels = shape.with(0, 1).elements_before(-1);
  const std::int64_t width = c / op.groups;
  const std::int64_t chunks = r.shape(1)[1];
  const Floats x = r.floats(0);

  parallel_for(shape[0] * op.groups, [&](std::int64_t item) {
    const std::int64_t picture = item / op.groups;
    const std::int64_t group = item % op.groups;
    const auto of_chunk = [&](std::int64_t chunk, std::int64_t i) {
      return r.doubles(1)[((picture * chunks + chunk) * op.groups + group) * 3 + i];
    };
    double count = 0;
    double mean = 0;
    for (std::int64_t i = 0; i < chunks; ++i) count += of_chunk(i, 0);
    for (std::int64_t i = 0; i < chunks; ++i) mean += of_chunk(i, 0) / count * of_chunk(i, 1);
    double squares = 0;
    for (std::int64_t i = 0; i < chunks; ++i) {
      const double distance = of_chunk(i, 1) - mean;
      squares += of_chunk(i, 2) + of_chunk(i, 0) * distance * distance;
    }
    const double slope = 1 / std::sqrt(squares / count + static_cast<double>(op.eps));
    for (std::int64_t i = 0; i < pixels * width; ++i) {
      const std::int64_t channel = group * width + i % width;
      const std::int64_t index = (picture * pixels + i / width) * c + channel;
      const double value = (static_cast<double>(x[index]) - mean) * slope *
                               static_cast<double>(r.floats(2)[channel]) +
                           static_cast<double>(r.floats(3)[channel]);
      r.result().set(index, op.silu ? silu(value) : value);
    }
  });
}

void run(const LayerNorm& op, const Run& r) {
  const std::int64_t c = r.shape(0)[-1];
  const Floats x = r.floats(0);

  parallel_for(r.shape(0).elements_before(-1), [&](std::int64_t row) {
    const Moments m = moments(c, static_cast<double>(op.eps),
                              [&](std::int64_t i) { return static_cast<double>(x[row * c + i]); });
    for (std::int64_t i = 0; i < c; ++i) {
      const double normal = (static_cast<double>(x[row * c + i]) - m.mean) * m.inverse_deviation;
      r.result().set(row * c + i, normal * static_cast<double>(r.floats(1)[i]) +
                                      static_cast<double>(r.floats(2)[i]));
    }
  });
}

void run(const BatchNorm& op, const Run& r) {
  const std::int64_t c = r.shape(0)[-1];
  const Floats x = r.floats(0);

  parallel_for(r.shape(0).elements_before(-1), [&](std::int64_t row) {
    for (std::int64_t i = 0; i < c; ++i) {
      const double mean = static_cast<double>(r.floats(3)[i]);
      const double variance = static_cast<double>(r.floats(4)[i]);
      const double normal = (static_cast<double>(x[row * c + i]) - mean) /
                            std::sqrt(variance + static_cast<double>(op.eps));
      r.result().set(row * c + i, normal * static_cast<double>(r.floats(1)[i]) +
                                      static_cast<double>(r.floats(2)[i]));
    }
  });
}

}  // namespace semblance::reference
