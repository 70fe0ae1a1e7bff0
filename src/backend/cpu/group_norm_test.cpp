// Group normalisation in two halves, or in bands of a picture, has the bits of the whole.
#include <gtest/gtest.h>

#include <cstring>

#include "backend/backends.h"
#include "core/parallel.h"
#include "runtime/node_run.h"
#include "tests/support/random_values.h"

namespace semblance {
namespace {

using testing::random_values;

struct NormCase {
  Shape x;
  DType dtype;
  bool silu;
};

/// Runs x [n,...,c] through the processor's kernels, with random weight and bias.
class Halves {
 public:
  explicit Halves(const NormCase& one) : case_(one) {
    const std::int64_t c = one.x[-1];
    weight_ = random_values(c, 2);
    bias_ = random_values(c, 3);
  }

  std::vector<std::byte> norm(const std::vector<float>& x) const {
    NodeRun run(cpu_backend(), GroupNorm{.silu = case_.silu},
                {{{case_.dtype, case_.x}}, f32(), f32()});
    EXPECT_EQ(run.entry().name, "cpu_group_norm");
    run.set(0, x), run.set(1, weight_), run.set(2, bias_);
    run.run();
    return run.result_bytes();
  }
  std::vector<std::byte> moments(const Shape& part, std::span<const float> x) const {
    NodeRun run(cpu_backend(), GroupMoments{.chunk_pixels = group_chunk_pixels(case_.x)},
                {{{case_.dtype, part}}});
    EXPECT_EQ(run.entry().name, "cpu_group_moments");
    run.set(0, x);
    run.run();
    return run.result_bytes();
  }
  std::vector<std::byte> scale(const Shape& part, std::span<const float> x,
                               const std::vector<std::byte>& moments) const {
    const auto chunks =
        static_cast<std::int64_t>(moments.size() / sizeof(double)) / (part[0] * 32 * 3);
    NodeRun run(
        cpu_backend(), GroupScale{.silu = case_.silu},
        {{{case_.dtype, part}}, {{DType::kF64, Shape{part[0], chunks, 32, 3}}}, f32(), f32()});
    EXPECT_EQ(run.entry().name, "cpu_group_scale");
    run.set(0, x), run.set(2, weight_), run.set(3, bias_);
    run.set_bytes(1, moments);
    run.run();
    return run.result_bytes();
  }

 private:
  NodeRun::Source f32() const { return {{DType::kF32, Shape{case_.x[-1]}}, true}; }

  NormCase case_;
  std::vector<float> weight_, bias_;
};

class GroupNormBits : public ::testing::TestWithParam<NormCase> {};

TEST_P(GroupNormBits, AreTheSameInHalvesAndBands) {
  const NormCase& one = GetParam();
  const Halves halves(one);
  std::vector<float> x = random_values(one.x.elements(), 1);
  for (float& value : x) value += 3;
  const std::vector<std::byte> want = halves.norm(x);
  const std::vector<std::byte> moments = halves.moments(one.x, x);
  EXPECT_EQ(halves.scale(one.x, x, moments), want) << "two halves";

  const int before = threads();
  set_threads(before == 1 ? 3 : 1);
  EXPECT_EQ(halves.moments(one.x, x), moments) << "another number of threads";
  EXPECT_EQ(halves.norm(x), want) << "another number of threads";
  set_threads(before);

  // Bands of one chunk, of three, and (scaling only) of any number of rows.
  if (one.x[0] != 1) return;
  const std::int64_t row = one.x.elements_from(2);
  const std::int64_t row_pixels = row / one.x[-1];
  const std::int64_t chunk_rows = group_chunk_pixels(one.x) / row_pixels;
  ASSERT_EQ(group_chunk_pixels(one.x) % row_pixels, 0);
  for (const std::int64_t rows : {chunk_rows, 3 * chunk_rows, std::int64_t{1}, std::int64_t{5}}) {
    std::vector<std::byte> all_moments;
    std::vector<std::byte> all;
    for (std::int64_t first = 0; first < one.x[1]; first += rows) {
      const std::int64_t count = std::min(rows, one.x[1] - first);
      const std::span band(x.data() + first * row, static_cast<std::size_t>(count * row));
      const Shape part = one.x.with(1, count);
      if (rows % chunk_rows == 0) {
        const std::vector<std::byte> some = halves.moments(part, band);
        all_moments.insert(all_moments.end(), some.begin(), some.end());
      }
      const std::vector<std::byte> some = halves.scale(part, band, moments);
      all.insert(all.end(), some.begin(), some.end());
    }
    EXPECT_EQ(all, want) << "bands of " << rows;
    if (rows % chunk_rows == 0) {
      EXPECT_EQ(all_moments, moments) << "bands of " << rows;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, GroupNormBits,
                         ::testing::Values(NormCase{{1, 32, 32, 320}, DType::kF32, true},
                                           NormCase{{1, 32, 32, 320}, DType::kBF16, true},
                                           NormCase{{1, 37, 50, 96}, DType::kF32, false},
                                           NormCase{{1, 20, 150, 64}, DType::kBF16, false},
                                           NormCase{{1, 300, 200, 32}, DType::kF32, true},
                                           NormCase{{1, 9, 7, 640}, DType::kF32, false},
                                           NormCase{{2, 24, 20, 960}, DType::kF32, true},
                                           NormCase{{2, 500, 64}, DType::kBF16, false},
                                           NormCase{{1, 4096, 320}, DType::kF32, false}));

}  // namespace
}  // namespace semblance
