#include "backend/cpu/packing.h"

#include <gtest/gtest.h>

#include <cstring>

#include "backend/backends.h"
#include "memory/buffer.h"
#include "tests/support/random_values.h"

namespace semblance::onednn {
namespace {

struct PackingCase {
  std::int64_t c, o, kernel, size, groups;
};

class Packing : public ::testing::TestWithParam<std::tuple<PackingCase, DType>> {};

TEST_P(Packing, MatchesTheLibraryByteForByte) {
  const auto& [c, dtype] = GetParam();
  if (dtype == DType::kBF16 && !has_native_bf16()) GTEST_SKIP() << "no bf16 on this processor";
  ConvolutionShape shape;
  shape.dtype = dtype;
  shape.h = shape.w = shape.out_h = shape.out_w = c.size;
  shape.c = c.c;
  shape.out_c = c.o;
  shape.groups = c.groups;
  shape.kernel = {c.kernel, c.kernel};
  shape.pad = {c.kernel / 2, c.kernel / 2, c.kernel / 2, c.kernel / 2};
  std::string why_not;
  const auto convolution = Convolution::make(shape, why_not);
  if (!convolution && c.kernel > 12) GTEST_SKIP() << why_not;
  ASSERT_NE(convolution, nullptr) << why_not;
  const WeightLayout& layout = convolution->weight_layout();
  const std::int64_t row = c.c / c.groups * c.kernel * c.kernel;
  const std::vector<float> plain = testing::random_values(c.o * row, 1);

  const Buffer want(layout.bytes, Tag::kOther);
  const Buffer got(layout.bytes, Tag::kOther);
  convolution->reorder_weight(plain, want.bytes());
  std::memset(got.data(), 0xff, got.size());
  // In slices, the last first.
  const std::int64_t step = pack_rows(layout);
  for (std::int64_t first = (c.o - 1) / step * step; first >= 0; first -= step) {
    const std::int64_t rows = std::min(step, c.o - first);
    pack_weight(layout, first, rows,
                std::span(plain).subspan(static_cast<std::size_t>(first * row),
                                         static_cast<std::size_t>(rows * row)),
                got.bytes());
  }
  EXPECT_EQ(std::memcmp(got.data(), want.data(), want.size()), 0) << convolution->implementation();
  pack_weight(layout, 0, c.o, plain, got.bytes());
  EXPECT_EQ(std::memcmp(got.data(), want.data(), want.size()), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Packing,
    ::testing::Combine(
        ::testing::Values(PackingCase{320, 320, 3, 16, 1}, PackingCase{320, 640, 1, 16, 1},
                          PackingCase{4, 320, 3, 8, 1}, PackingCase{320, 4, 3, 8, 1},
                          PackingCase{3, 16, 3, 8, 1}, PackingCase{77, 130, 1, 4, 1},
                          PackingCase{20, 24, 3, 8, 1}, PackingCase{5, 7, 1, 4, 1},
                          PackingCase{1280, 100, 1, 1, 1}, PackingCase{2560, 1280, 1, 2, 1},
                          PackingCase{33, 50, 5, 9, 1}, PackingCase{64, 64, 3, 8, 4},
                          PackingCase{32, 32, 3, 8, 32}, PackingCase{20, 20, 3, 8, 20},
                          PackingCase{3, 8, 13, 20, 1}, PackingCase{24, 48, 3, 8, 2}),
        ::testing::Values(DType::kF32, DType::kBF16)));

}  // namespace
}  // namespace semblance::onednn
