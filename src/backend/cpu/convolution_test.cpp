#include <gtest/gtest.h>

#include <cstring>

#include "backend/backends.h"
#include "planner/lower.h"
#include "runtime/node_run.h"
#include "tests/support/golden.h"
#include "tests/support/random_values.h"

namespace semblance {
namespace {

using testing::expect_close;
using testing::random_values;

bool can_compute(DType dtype) { return dtype == DType::kF32 || has_native_bf16(); }

/// x [.., c], weight [o, ..], then bias and residual.
NodeRun run_of(const Backend& backend, const Op& op, DType dtype, const Shape& x,
               const Shape& weight, const Shape& dst, bool has_residual) {
  std::vector<NodeRun::Source> sources{
      {{dtype, x}}, {{dtype, weight}, true}, {{DType::kF32, Shape{weight[0]}}, true}};
  if (has_residual) sources.push_back({{dtype, dst}});
  return {backend, op, sources};
}

struct Values {
  std::vector<float> x, weight, bias, residual;
};

void fill(NodeRun& run, const Values& values) {
  run.set(0, values.x);
  run.set(1, values.weight);
  run.set(2, values.bias);
  if (!values.residual.empty()) run.set(3, values.residual);
}

/// Some ranges of `o` output channels as planners cut them, first and count.
std::vector<std::pair<std::int64_t, std::int64_t>> channel_ranges(std::int64_t o) {
  const std::int64_t half = o / 2 / kChannelStep * kChannelStep;
  const std::int64_t last = (o - 1) / kChannelStep * kChannelStep;
  if (last == 0) return {};
  return {{0, kChannelStep}, {half, o - half}, {last, o - last}};
}

struct LinearCase {
  std::int64_t rows, k, o;
};

class LinearBits : public ::testing::TestWithParam<std::tuple<LinearCase, DType>> {};

// Plans may compute some rows, some output channels or the whole.
TEST_P(LinearBits, ASliceHasTheBitsOfTheWhole) {
  const auto& [shape, dtype] = GetParam();
  if (!can_compute(dtype)) GTEST_SKIP() << "no bf16 on this processor";
  const Linear op{.has_bias = true, .has_residual = true};
  const auto [rows, k, o] = shape;
  const Values values{random_values(rows * k, 1), random_values(o * k, 2, 0.05F),
                      random_values(o, 3), random_values(rows * o, 4)};
  NodeRun whole = run_of(cpu_backend(), op, dtype, {rows, k}, {o, k}, {rows, o}, true);
  EXPECT_FALSE(whole.entry().is_reference);
  fill(whole, values);
  whole.run();
  const std::vector<float> want = whole.result();

  for (const std::int64_t step : {rows / 2, rows / 5, std::int64_t{7}, std::int64_t{1}}) {
    if (step < 1) continue;
    const std::int64_t first = (rows - 1) / step * step / 2;
    const std::int64_t count = std::min(step, rows - first);
    NodeRun part = run_of(cpu_backend(), op, dtype, {count, k}, {o, k}, {count, o}, true);
    fill(part,
         {{values.x.begin() + first * k, values.x.begin() + (first + count) * k},
          values.weight,
          values.bias,
          {values.residual.begin() + first * o, values.residual.begin() + (first + count) * o}});
    part.run(3);
    const std::vector<float> got = part.result();
    EXPECT_EQ(std::memcmp(got.data(), want.data() + first * o, got.size() * 4), 0)
        << count << " rows from " << first;
  }
  if (!whole.kernel().is_exact_by_channels()) return;
  for (const auto& [first, count] : channel_ranges(o)) {
    NodeRun part = run_of(cpu_backend(), op, dtype, {rows, k}, {count, k}, {rows, count}, true);
    Values slice{values.x,
                 {values.weight.begin() + first * k, values.weight.begin() + (first + count) * k},
                 {values.bias.begin() + first, values.bias.begin() + first + count},
                 {}};
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t i = first; i < first + count; ++i) {
        slice.residual.push_back(values.residual[static_cast<std::size_t>(row * o + i)]);
      }
    }
    fill(part, slice);
    part.run();
    const std::vector<float> got = part.result();
    bool same = true;
    for (std::int64_t row = 0; row < rows; ++row) {
      same = same && std::memcmp(got.data() + row * count, want.data() + row * o + first,
                                 static_cast<std::size_t>(count) * 4) == 0;
    }
    EXPECT_TRUE(same) << count << " output channels";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, LinearBits,
    ::testing::Combine(::testing::Values(LinearCase{1024, 1280, 1280}, LinearCase{256, 1280, 1280},
                                         LinearCase{154, 2048, 1280}, LinearCase{256, 5120, 1280},
                                         LinearCase{512, 640, 5120}, LinearCase{2, 1280, 1280},
                                         LinearCase{77, 768, 3072}, LinearCase{32, 2048, 640},
                                         LinearCase{300, 2560, 640}, LinearCase{64, 320, 320},
                                         LinearCase{50, 50, 70}, LinearCase{7, 64, 100},
                                         LinearCase{200, 9000, 144}),
                       ::testing::Values(DType::kF32, DType::kBF16)));

struct ConvCase {
  std::int64_t n, h, w, c, o, kernel;
};

class ConvBits : public ::testing::TestWithParam<std::tuple<ConvCase, DType>> {};

TEST_P(ConvBits, ASliceHasTheBitsOfTheWhole) {
  const auto& [s, dtype] = GetParam();
  if (!can_compute(dtype)) GTEST_SKIP() << "no bf16 on this processor";
  Conv2d op;
  const std::int64_t pad = s.kernel / 2;
  op.pad = {pad, pad, pad, pad};
  const std::int64_t row = s.w * s.c;
  const std::int64_t weights = s.c * s.kernel * s.kernel;
  const Values values{random_values(s.n * s.h * row, 1),
                      random_values(s.o * weights, 2, 0.05F),
                      random_values(s.o, 3),
                      {}};
  NodeRun whole = run_of(cpu_backend(), op, dtype, {s.n, s.h, s.w, s.c},
                         {s.o, s.c, s.kernel, s.kernel}, {}, false);
  EXPECT_FALSE(whole.entry().is_reference);
  fill(whole, values);
  whole.run();
  const std::vector<float> want = whole.result();

  // Bands of rows of the last picture, with the rows around them that they read.
  const std::int64_t bands[][2] = {{0, s.h / 2}, {s.h / 2, s.h}, {s.h / 3, s.h / 3 + 1}, {1, s.h}};
  for (const auto& [first, last] : bands) {
    const std::int64_t from = std::max<std::int64_t>(0, first - pad);
    const std::int64_t to = std::min(s.h, last + pad);
    Conv2d part_op = op;
    part_op.pad[0] = pad - (first - from);
    part_op.pad[2] = pad - (to - last);
    NodeRun part = run_of(cpu_backend(), part_op, dtype, {1, to - from, s.w, s.c},
                          {s.o, s.c, s.kernel, s.kernel}, {}, false);
    const auto picture = values.x.begin() + (s.n - 1) * s.h * row;
    fill(part, {{picture + from * row, picture + to * row}, values.weight, values.bias, {}});
    part.run();
    const std::vector<float> got = part.result();
    EXPECT_EQ(std::memcmp(got.data(), want.data() + ((s.n - 1) * s.h + first) * s.w * s.o,
                          got.size() * 4),
              0)
        << "rows " << first << " to " << last;
  }
  if (!whole.kernel().is_exact_by_channels()) {
    EXPECT_LE(weights, 512 * 9) << "large weights must stay sliceable";
    return;
  }
  for (const auto& [first, count] : channel_ranges(s.o)) {
    NodeRun part = run_of(cpu_backend(), op, dtype, {s.n, s.h, s.w, s.c},
                          {count, s.c, s.kernel, s.kernel}, {}, false);
    fill(part, {values.x,
                {values.weight.begin() + first * weights,
                 values.weight.begin() + (first + count) * weights},
                {values.bias.begin() + first, values.bias.begin() + first + count},
                {}});
    part.run();
    const std::vector<float> got = part.result();
    bool same = true;
    for (std::int64_t pixel = 0; pixel < s.n * s.h * s.w; ++pixel) {
      same = same && std::memcmp(got.data() + pixel * count, want.data() + pixel * s.o + first,
                                 static_cast<std::size_t>(count) * 4) == 0;
    }
    EXPECT_TRUE(same) << count << " output channels";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ConvBits,
    ::testing::Combine(
        ::testing::Values(ConvCase{2, 32, 32, 320, 320, 3}, ConvCase{2, 16, 16, 1280, 640, 3},
                          ConvCase{1, 8, 8, 2560, 1280, 3}, ConvCase{2, 16, 12, 960, 320, 1},
                          ConvCase{1, 24, 24, 4, 320, 3}, ConvCase{1, 24, 24, 320, 4, 3},
                          ConvCase{1, 48, 40, 128, 128, 3}, ConvCase{1, 48, 40, 128, 3, 3},
                          ConvCase{2, 9, 7, 20, 24, 3}, ConvCase{1, 7, 5, 64, 100, 3},
                          ConvCase{1, 20, 11, 2600, 80, 3}),
        ::testing::Values(DType::kF32, DType::kBF16)));

struct AnyConv {
  std::int64_t n, h, w, c, o;
  std::array<std::int64_t, 2> kernel, stride, dilation;
  std::array<std::int64_t, 4> pad;
  std::int64_t groups;
  bool has_residual;
};

class ConvAgreement : public ::testing::TestWithParam<std::tuple<AnyConv, DType>> {};

TEST_P(ConvAgreement, WithTheReference) {
  const auto& [s, dtype] = GetParam();
  if (!can_compute(dtype)) GTEST_SKIP() << "no bf16 on this processor";
  Conv2d op;
  op.stride = s.stride, op.dilation = s.dilation, op.pad = s.pad, op.groups = s.groups;
  op.has_residual = s.has_residual;
  const Shape x{s.n, s.h, s.w, s.c};
  const Shape weight{s.o, s.c / s.groups, s.kernel[0], s.kernel[1]};
  Conv2d plain = op;
  plain.has_residual = false;
  const std::vector<TensorType> types{{dtype, x}, {dtype, weight}, {DType::kF32, Shape{s.o}}};
  const Shape dst = plain.infer(types).shape;
  const Values values{random_values(x.elements(), 1), random_values(weight.elements(), 2, 0.1F),
                      random_values(s.o, 3),
                      s.has_residual ? random_values(dst.elements(), 4) : std::vector<float>{}};
  NodeRun ours = run_of(cpu_backend(), op, dtype, x, weight, dst, s.has_residual);
  NodeRun reference = run_of(reference_backend(), op, dtype, x, weight, dst, s.has_residual);
  EXPECT_FALSE(ours.entry().is_reference);
  fill(ours, values);
  fill(reference, values);
  reference.run();
  ours.run();
  expect_close(ours.result(), reference.result(), tolerance_of(dtype));
  if (s.has_residual) {
    const std::vector<float> apart = ours.result();
    ours.run(3);
    EXPECT_EQ(ours.result(), apart) << "in the residual's place";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ConvAgreement,
    ::testing::Combine(
        ::testing::Values(AnyConv{2, 9, 7, 12, 20, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, true},
                          AnyConv{
                              1, 10, 11, 32, 40, {3, 3}, {2, 2}, {1, 1}, {0, 0, 1, 1}, 1, false},
                          AnyConv{1, 10, 11, 32, 40, {3, 1}, {2, 1}, {2, 3}, {1, 0, 2, 0}, 1, true},
                          AnyConv{2, 8, 8, 24, 48, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 3, true},
                          AnyConv{1, 8, 9, 40, 40, {3, 3}, {2, 1}, {1, 1}, {1, 1, 1, 1}, 40, false},
                          AnyConv{1, 30, 30, 3, 16, {7, 7}, {2, 2}, {1, 1}, {3, 3, 3, 3}, 1, false},
                          AnyConv{1, 5, 5, 512, 7, {1, 1}, {2, 2}, {1, 1}, {0, 0, 0, 0}, 1, false}),
        ::testing::Values(DType::kF32, DType::kBF16)));

TEST(LinearKernel, DeclinesAComputedWeight) {
  NodeRun run(cpu_backend(), Linear{.has_bias = false},
              {{{DType::kF32, Shape{4, 8}}}, {{DType::kF32, Shape{16, 8}}}});
  EXPECT_EQ(run.entry().name, "reference");
  ASSERT_FALSE(run.declined().empty());
  EXPECT_EQ(run.declined()[0], "cpu_linear: the weight is computed, not read");
}

TEST(LinearKernel, AgreesWithTheReference) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    if (!can_compute(dtype)) continue;
    for (const LinearCase& s :
         {LinearCase{1, 25, 33}, LinearCase{154, 200, 320}, LinearCase{33, 512, 10}}) {
      const Linear op{.has_bias = true, .has_residual = true};
      const Values values{random_values(s.rows * s.k, 1), random_values(s.o * s.k, 2, 0.1F),
                          random_values(s.o, 3), random_values(s.rows * s.o, 4)};
      NodeRun ours =
          run_of(cpu_backend(), op, dtype, {s.rows, s.k}, {s.o, s.k}, {s.rows, s.o}, true);
      NodeRun reference =
          run_of(reference_backend(), op, dtype, {s.rows, s.k}, {s.o, s.k}, {s.rows, s.o}, true);
      fill(ours, values);
      fill(reference, values);
      ours.run();
      reference.run();
      expect_close(ours.result(), reference.result(), tolerance_of(dtype));
    }
  }
}

}  // namespace
}  // namespace semblance
