// Parts have the bits of the whole, for many random layers like SDXL's: bands of rows, pictures,
// output channels, rows of matrices, queries.
#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <random>

#include "backend/backends.h"
#include "graph/fields.h"
#include "runtime/node_run.h"

namespace semblance {
namespace {

using Random = std::mt19937;

constexpr std::int64_t kChannels[] = {320, 640, 1280, 960, 1920, 2560, 4,  3,
                                      128, 256, 512,  64,  16,   32,   96, 1344};

std::int64_t between(Random& random, std::int64_t least, std::int64_t most) {
  return least + static_cast<std::int64_t>(random() % static_cast<unsigned>(most - least + 1));
}
std::int64_t any_channels(Random& random) { return kChannels[random() % std::size(kChannels)]; }

bool can_compute(DType dtype) { return dtype == DType::kF32 || has_native_bf16(); }

/// A cheap generator: a case needs millions of values.
std::vector<float> values(std::int64_t count, Random& random, float scale = 1.0F) {
  std::vector<float> result(static_cast<std::size_t>(count));
  std::uint32_t state = static_cast<std::uint32_t>(random()) | 1U;
  for (float& value : result) {
    state = state * 1664525U + 1013904223U;
    value = (static_cast<float>(state >> 8) / 8388608.0F - 1.0F) * scale;
  }
  return result;
}

/// Indices [begin, end) of an axis of plain values.
std::vector<float> cut(const std::vector<float>& whole, const Shape& shape, int axis,
                       std::int64_t begin, std::int64_t end) {
  const std::int64_t inner = shape.elements_from(shape.place_of(axis) + 1);
  const std::int64_t block = shape.elements_from(axis);
  std::vector<float> part;
  for (std::int64_t first = 0; first < shape.elements(); first += block) {
    part.insert(part.end(), whole.begin() + first + begin * inner,
                whole.begin() + first + end * inner);
  }
  return part;
}

/// A node's sources as plain values, which can be cut like the result.
struct Sources {
  std::vector<NodeRun::Source> types;
  std::vector<std::vector<float>> values;

  void cut(std::size_t i, int axis, std::int64_t begin, std::int64_t end) {
    values[i] = semblance::cut(values[i], types[i].type.shape, axis, begin, end);
    types[i].type.shape = types[i].type.shape.with(axis, end - begin);
  }
  std::vector<float> run(const Op& op, bool* by_output_channels = nullptr) const {
    NodeRun kernel(cpu_backend(), op, types);
    EXPECT_NE(kernel.entry().name, "reference");
    if (by_output_channels) *by_output_channels = kernel.kernel().is_exact_by_channels();
    for (std::size_t i = 0; i < values.size(); ++i) kernel.set(i, values[i]);
    kernel.run();
    return kernel.result();
  }
};

void expect_same(const std::vector<float>& got, const std::vector<float>& want,
                 const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  std::size_t differ = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    differ += std::bit_cast<std::uint32_t>(got[i]) != std::bit_cast<std::uint32_t>(want[i]);
  EXPECT_EQ(differ, 0U) << what << ": of " << got.size() << " values";
}

/// Number of cases; SEMBLANCE_SLICES_TIMES multiplies it for a long search.
int cases(int usual) {
  const char* times = std::getenv("SEMBLANCE_SLICES_TIMES");
  return times == nullptr ? usual : usual * std::atoi(times);
}

class Slices : public ::testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    if (!can_compute(GetParam())) GTEST_SKIP() << "no bf16 on this processor";
  }
};

struct Convolved {
  Conv2d op;
  Sources sources;
  Shape dst;
};

/// At most about 2 billion operations, so that thousands of cases take minutes.
Convolved random_convolution(DType dtype, Random& random) {
  Convolved layer;
  constexpr double kMostProducts = 1e9;
  const std::int64_t kernel = between(random, 0, 3) == 0 ? 1 : 3;
  const std::int64_t n = between(random, 1, 2);
  const std::int64_t c = any_channels(random), o = any_channels(random);
  const double pixel = static_cast<double>(c * o * kernel * kernel);
  std::int64_t h = between(random, 1, 40);
  std::int64_t w =
      between(random, 0, 3) == 0 ? between(random, 1, 130) : 8 * between(random, 1, 20);
  while (h > 2 && static_cast<double>(n * h * w) * pixel > kMostProducts) h = (h + 1) / 2;
  while (w > 2 && static_cast<double>(n * h * w) * pixel > kMostProducts) w = (w + 1) / 2;
  const std::int64_t pad = kernel / 2;
  layer.op.pad = {pad, pad, pad, pad};
  if (kernel == 3 && h > 1 && w > 1 && between(random, 0, 3) == 0) {
    layer.op.stride = {2, 2};
    if (between(random, 0, 1) == 0) layer.op.pad = {0, 0, 1, 1};
  }
  layer.op.has_residual = between(random, 0, 1) == 0;
  layer.sources.types = {{{dtype, Shape{n, h, w, c}}},
                         {{dtype, Shape{o, c, kernel, kernel}}, true},
                         {{DType::kF32, Shape{o}}, true}};
  const std::int64_t s = layer.op.stride[0];
  layer.dst = {n, (h + layer.op.pad[0] + layer.op.pad[2] - kernel) / s + 1,
               (w + layer.op.pad[1] + layer.op.pad[3] - kernel) / s + 1, o};
  if (layer.op.has_residual) layer.sources.types.push_back({{dtype, layer.dst}});
  for (const NodeRun::Source& source : layer.sources.types)
    layer.sources.values.push_back(values(source.type.shape.elements(), random));
  return layer;
}

/// Cuts to rows [begin, end) of the result, with their share of the padding.
void cut_rows(Convolved& layer, std::int64_t begin, std::int64_t end) {
  const std::int64_t h = layer.sources.types[0].type.shape[1];
  const std::int64_t kernel = layer.sources.types[1].type.shape[2];
  const std::int64_t first = begin * layer.op.stride[0] - layer.op.pad[0];
  const std::int64_t last = (end - 1) * layer.op.stride[0] - layer.op.pad[0] + kernel;
  layer.sources.cut(0, 1, std::max<std::int64_t>(first, 0), std::min(last, h));
  layer.op.pad[0] = std::max<std::int64_t>(-first, 0);
  layer.op.pad[2] = std::max<std::int64_t>(last - h, 0);
  if (layer.op.has_residual) layer.sources.cut(3, 1, begin, end);
}

TEST_P(Slices, OfConvolutions) {
  for (int i = 0; i < cases(60); ++i) {
    Random random(static_cast<unsigned>(i));
    const Convolved whole = random_convolution(GetParam(), random);
    bool by_output_channels = false;
    const std::vector<float> result = whole.sources.run(whole.op, &by_output_channels);
    for (int k = 0; k < 4; ++k) {
      Convolved part = whole;
      std::vector<float> want = result;
      Shape dst = whole.dst;
      const auto cut_want = [&](int axis, std::int64_t begin, std::int64_t end) {
        want = cut(want, dst, axis, begin, end);
        dst = dst.with(axis, end - begin);
      };
      const std::int64_t begin = between(random, 0, dst[1] - 1);
      const std::int64_t end = k == 0 ? begin + 1 : between(random, begin + 1, dst[1]);
      cut_rows(part, begin, end);
      cut_want(1, begin, end);
      if (dst[0] == 2 && between(random, 0, 1) == 0) {
        const std::int64_t picture = between(random, 0, 1);
        part.sources.cut(0, 0, picture, picture + 1);
        if (part.op.has_residual) part.sources.cut(3, 0, picture, picture + 1);
        cut_want(0, picture, picture + 1);
      }
      if (by_output_channels && dst[3] > 64 && between(random, 0, 1) == 0) {
        const std::int64_t blocks = (dst[3] + 63) / 64;
        const std::int64_t first = 64 * between(random, 0, blocks - 1);
        const std::int64_t last = std::min(dst[3], first + 64 * between(random, 1, blocks));
        part.sources.cut(1, 0, first, last);
        part.sources.cut(2, 0, first, last);
        if (part.op.has_residual) part.sources.cut(3, 3, first, last);
        cut_want(3, first, last);
      }
      std::string types;
      for (const auto& source : part.sources.types) types += " " + to_string(source.type);
      expect_same(part.sources.run(part.op), want,
                  fmt::format("case {}: conv2d{} as{} of {} -> {}", i, fields_text(part.op), types,
                              to_string(whole.sources.types[0].type), to_string(whole.dst)));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST_P(Slices, OfLinearLayers) {
  for (int i = 0; i < cases(60); ++i) {
    Random random(static_cast<unsigned>(i));
    constexpr std::int64_t kWidths[] = {320, 640, 1280, 2048, 2560, 5120, 10240, 768, 2816, 512};
    const std::int64_t c = kWidths[random() % std::size(kWidths)];
    const std::int64_t o = kWidths[random() % std::size(kWidths)];
    const std::int64_t n = between(random, 1, 2);
    const std::int64_t most = std::max<std::int64_t>(1, 1000000000 / (n * c * o));
    const std::int64_t l = between(random, 1, std::min<std::int64_t>(most, 5000));
    const Linear op{between(random, 0, 1) == 0, between(random, 0, 1) == 0};
    Sources whole;
    whole.types = {{{GetParam(), Shape{n, l, c}}}, {{GetParam(), Shape{o, c}}, true}};
    if (op.has_bias) whole.types.push_back({{DType::kF32, Shape{o}}, true});
    const Shape dst{n, l, o};
    if (op.has_residual) whole.types.push_back({{GetParam(), dst}});
    for (const NodeRun::Source& source : whole.types)
      whole.values.push_back(values(source.type.shape.elements(), random));
    const std::vector<float> result = whole.run(op);
    for (int k = 0; k < 4; ++k) {
      Sources part = whole;
      const std::size_t residual = op.has_residual ? part.types.size() - 1 : 0;
      const std::int64_t begin = between(random, 0, l - 1);
      const std::int64_t end = k == 0 ? begin + 1 : between(random, begin + 1, l);
      part.cut(0, 1, begin, end);
      if (residual > 0) part.cut(residual, 1, begin, end);
      std::vector<float> want = cut(result, dst, 1, begin, end);
      if (between(random, 0, 1) == 0) {
        const std::int64_t first = 64 * between(random, 0, o / 64 - 1);
        const std::int64_t last = std::min(o, first + 64 * between(random, 1, o / 64));
        part.cut(1, 0, first, last);
        if (op.has_bias) part.cut(2, 0, first, last);
        if (residual > 0) part.cut(residual, 2, first, last);
        want = cut(want, dst.with(1, end - begin), 2, first, last);
      }
      expect_same(
          part.run(op), want,
          fmt::format("case {}: linear{} {} by {} -> rows {} to {}", i, fields_text(op),
                      to_string(whole.types[0].type), to_string(part.types[1].type), begin, end));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST_P(Slices, OfQueries) {
  for (int i = 0; i < cases(40); ++i) {
    Random random(static_cast<unsigned>(i));
    const std::int64_t heads = between(random, 1, 20);
    const std::int64_t d = between(random, 0, 4) == 0 ? 512 : 64;
    const std::int64_t n = between(random, 1, 2);
    const std::int64_t q = between(random, 1, 600);
    const std::int64_t k = between(random, 0, 1) == 0 ? 77 : between(random, 1, 600);
    const Attention op{.heads = heads};
    Sources whole;
    for (const std::int64_t l : {q, k, k}) {
      whole.types.push_back({{GetParam(), Shape{n, l, heads * d}}});
      whole.values.push_back(values(n * l * heads * d, random, 3.0F));
    }
    const Shape dst{n, q, heads * d};
    const std::vector<float> result = whole.run(op);
    for (int part_index = 0; part_index < 4; ++part_index) {
      Sources part = whole;
      const std::int64_t begin = between(random, 0, q - 1);
      const std::int64_t end = part_index == 0 ? begin + 1 : between(random, begin + 1, q);
      part.cut(0, 1, begin, end);
      std::vector<float> want = cut(result, dst, 1, begin, end);
      if (n == 2 && between(random, 0, 1) == 0) {
        const std::int64_t picture = between(random, 0, 1);
        for (std::size_t source = 0; source < 3; ++source)
          part.cut(source, 0, picture, picture + 1);
        want = cut(want, dst.with(1, end - begin), 0, picture, picture + 1);
      }
      expect_same(part.run(op), want,
                  fmt::format("case {}: queries {} to {} of {} by {} keys", i, begin, end,
                              to_string(whole.types[0].type), k));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, Slices, ::testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace semblance
