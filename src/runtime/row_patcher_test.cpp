#include "runtime/row_patcher.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "core/convert.h"
#include "core/integers.h"
#include "core/parallel.h"
#include "runtime/bf16_products.h"
#include "tests/support/golden.h"

namespace semblance {
namespace {

using Combine = WeightPatch::Combine;

/// A random tensor in memory. Small enough that sums of products stay near 1.
class RandomNumbers {
 public:
  StoredTensor tensor(const Shape& shape, DType dtype = DType::kF16) {
    std::vector<float> values(at(shape.elements()));
    for (float& value : values) value = normal_(random_);
    std::vector<std::byte> bytes(values.size() * size_of(dtype));
    if (dtype == DType::kF64) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double wide = values[i];
        std::memcpy(bytes.data() + i * sizeof(double), &wide, sizeof(double));
      }
    } else {
      from_f32(values, dtype, bytes);
    }
    // Two bytes in front, so that wide types are not aligned.
    bytes.insert(bytes.begin(), 2, std::byte{7});
    return {dtype, shape, memory_file("numbers", std::move(bytes)), 2};
  }

  std::vector<float> values(std::int64_t count) {
    std::vector<float> made(at(count));
    for (float& value : made) value = normal_(random_);
    return made;
  }

 private:
  std::mt19937 random_{7};
  std::normal_distribution<float> normal_{0, 0.3F};
};

std::vector<double> values_of(const StoredTensor& tensor) {
  std::vector<std::byte> bytes(tensor.bytes());
  tensor.file->read(tensor.offset, bytes);
  std::vector<float> values(at(tensor.shape.elements()));
  to_f32(tensor.dtype, bytes, values);
  return {values.begin(), values.end()};
}

/// The matrix in plain loops.
std::vector<double> plain(const FactoredMatrix& m) {
  const std::vector<double> first = values_of(m.tensors[0]);
  if (m.is_whole()) return first;
  std::vector<double> down = values_of(m.tensors[1]);
  if (m.has_mid()) {
    const std::vector<double> mid = values_of(m.tensors[2]);
    const std::int64_t channels = m.columns / m.positions;
    std::vector<double> wide(at(m.rank * m.columns));
    for (std::int64_t p = 0; p < m.rank; ++p) {
      for (std::int64_t q = 0; q < m.inner; ++q) {
        for (std::int64_t i = 0; i < channels; ++i) {
          for (std::int64_t k = 0; k < m.positions; ++k) {
            wide[at(p * m.columns + i * m.positions + k)] +=
                mid[at((p * m.inner + q) * m.positions + k)] * down[at(q * channels + i)];
          }
        }
      }
    }
    down = wide;
  }
  std::vector<double> product(at(m.rows * m.columns));
  for (std::int64_t r = 0; r < m.rows; ++r) {
    for (std::int64_t p = 0; p < m.rank; ++p) {
      const double up = first[at(m.up_is_turned ? p * m.rows + r : r * m.rank + p)];
      for (std::int64_t c = 0; c < m.columns; ++c)
        product[at(r * m.columns + c)] += up * down[at(p * m.columns + c)];
    }
  }
  return product;
}

/// `weight` [rows,columns] with the patch, in plain loops.
void add_plainly(const WeightPatch& patch, std::int64_t columns, std::int64_t positions,
                 std::vector<double>& weight) {
  const std::vector<double> first = plain(patch.first);
  std::vector<double> second;
  if (patch.second) second = plain(*patch.second);
  for (std::size_t i = 0; i < weight.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i) / columns;
    const auto column = static_cast<std::int64_t>(i) % columns;
    double delta = 0;
    if (patch.combine == Combine::kKronecker) {
      delta = first[at(row / patch.second->rows * patch.first.columns +
                       column / patch.second->columns)] *
              second[at(row % patch.second->rows * patch.second->columns +
                        column % patch.second->columns)];
    } else {
      delta = first[i] * (second.empty() ? 1 : second[i]);
    }
    const double merged = weight[i] + patch.scale * delta;
    if (!patch.norm) {
      weight[i] = merged;
      continue;
    }
    const double ratio = patch.norm->ratio[at(patch.norm->of_rows ? row : column / positions)];
    weight[i] += patch.norm->blend * (ratio * merged - weight[i]);
  }
}

FactoredMatrix whole(const StoredTensor& tensor) {
  return {.tensors = {tensor}, .rows = tensor.rows(), .columns = tensor.row_elements()};
}

FactoredMatrix product(const StoredTensor& up, const StoredTensor& down) {
  return {.tensors = {up, down},
          .rows = up.rows(),
          .columns = down.row_elements(),
          .rank = down.rows()};
}

/// With mid [rank,inner,positions] and, as LyCORIS stores it, up [rank,rows].
FactoredMatrix tucker(RandomNumbers& numbers, std::int64_t rows, std::int64_t channels,
                      std::int64_t rank, std::int64_t inner, std::int64_t positions,
                      bool up_is_turned) {
  const Shape up = up_is_turned ? Shape{rank, rows} : Shape{rows, rank};
  return {.tensors = {numbers.tensor(up), numbers.tensor({inner, channels}),
                      numbers.tensor({rank, inner, positions})},
          .rows = rows,
          .columns = channels * positions,
          .rank = rank,
          .inner = inner,
          .positions = positions,
          .up_is_turned = up_is_turned};
}

/// What the packer does with a part of a weight.
std::vector<float> patched(const RowPatcher& patcher, std::int64_t first, std::int64_t count,
                           std::vector<float> rows) {
  std::vector<std::byte> factors(patcher.factor_bytes());
  patcher.read_factors(factors);
  std::vector<float> shared(patcher.shared_bytes() / sizeof(float));
  std::vector<float> scratch(RowPatcher::kScratchBytes / sizeof(float) * at(threads()));
  const auto shared_bytes = std::as_writable_bytes(std::span(shared));
  const auto scratch_bytes = std::as_writable_bytes(std::span(scratch));
  patcher.expand(factors, shared_bytes, scratch_bytes);
  patcher.apply(first, count, factors, shared_bytes, scratch_bytes, rows);
  return rows;
}

struct Case {
  std::string name;
  Shape shape;
  std::vector<WeightPatch> patches;
  DType dtype = DType::kF32;  // of the weight in the graph

  RowPatcher patcher(std::vector<RowRange> rows = {}) const {
    return {patches, shape, std::move(rows), dtype};
  }
};

std::vector<Case> cases() {
  RandomNumbers n;
  std::vector<Case> all;
  const auto add = [&](std::string name, const Shape& shape, std::vector<WeightPatch> patches) {
    all.push_back({std::move(name), shape, std::move(patches)});
  };
  const auto one = [](float scale, FactoredMatrix first) {
    return WeightPatch{.scale = scale, .first = std::move(first)};
  };
  const auto with_norm = [&](WeightPatch patch, std::int64_t count, bool of_rows) {
    patch.norm = std::make_shared<WeightPatch::Norm>();
    patch.norm->of_rows = of_rows;
    patch.norm->blend = 0.7F;
    patch.norm->ratio = n.values(count);
    return patch;
  };
  add("linear", {100, 70}, {one(0.5F, product(n.tensor({100, 4}), n.tensor({4, 70})))});
  add("panels", {96, 128}, {one(-2, product(n.tensor({96, 8}), n.tensor({8, 128})))});
  add("deep", {60, 90}, {one(0.1F, product(n.tensor({60, 300}), n.tensor({300, 90})))});
  add("bf16_and_f32", {50, 65},
      {one(1, product(n.tensor({50, 3}, DType::kBF16), n.tensor({3, 65}, DType::kF32))),
       one(1, product(n.tensor({50, 3}, DType::kF32), n.tensor({3, 65}, DType::kBF16)))});
  add("f64", {50, 65},
      {one(1, product(n.tensor({50, 3}, DType::kF64), n.tensor({3, 65}, DType::kF64)))});
  add("conv", {30, 10, 3, 3}, {one(1, product(n.tensor({30, 2, 1, 1}), n.tensor({2, 10, 3, 3})))});
  add("tucker", {70, 70, 3, 3}, {one(0.5F, tucker(n, 70, 70, 50, 5, 9, false))});
  add("loha", {100, 70},
      {{Combine::kTimes, 0.5F, product(n.tensor({100, 4}), n.tensor({4, 70})),
        product(n.tensor({100, 4}), n.tensor({4, 70}))}});
  add("deep_loha", {30, 70},
      {{Combine::kTimes, 0.1F, product(n.tensor({30, 270}), n.tensor({270, 70})),
        product(n.tensor({30, 4}), n.tensor({4, 70}))}});
  add("tucker_loha", {60, 12, 3, 3},
      {{Combine::kTimes, 0.5F, tucker(n, 60, 12, 4, 4, 9, true),
        tucker(n, 60, 12, 4, 4, 9, true)}});
  add("lokr", {60, 84},
      {{Combine::kKronecker, 0.5F, whole(n.tensor({4, 7})), whole(n.tensor({15, 12}))}});
  add("lokr_of_factors", {60, 84},
      {{Combine::kKronecker, 0.5F, product(n.tensor({4, 2}), n.tensor({2, 7})),
        product(n.tensor({15, 3}), n.tensor({3, 12}))}});
  add("lokr_conv", {60, 8, 3, 3},
      {{Combine::kKronecker, 0.5F, whole(n.tensor({4, 2})), tucker(n, 15, 4, 3, 3, 9, true)}});
  add("diff", {60, 84}, {one(0.5F, whole(n.tensor({60, 84})))});
  add("bias", {60}, {one(0.5F, whole(n.tensor({60}, DType::kF32)))});
  add("dora_columns", {60, 84},
      {with_norm(one(0.5F, product(n.tensor({60, 4}), n.tensor({4, 84}))), 84, false)});
  add("dora_rows", {60, 84},
      {with_norm(one(0.5F, product(n.tensor({60, 4}), n.tensor({4, 84}))), 60, true)});
  add("dora_conv", {60, 8, 3, 3},
      {with_norm(
          {Combine::kKronecker, 0.5F, whole(n.tensor({4, 2})), tucker(n, 15, 4, 3, 3, 9, true)}, 8,
          false)});
  std::vector<WeightPatch> several;
  for (const Case& other : all) {
    if (other.shape == Shape{60, 84}) several.push_back(other.patches[0]);
  }
  add("several", {60, 84}, several);
  for (std::size_t i = 0, count = all.size(); i < count; ++i) {
    Case other = all[i];
    other.name += "_for_bf16";
    other.dtype = DType::kBF16;
    all.push_back(std::move(other));
  }
  return all;
}

class Patched : public ::testing::TestWithParam<Case> {};

TEST_P(Patched, RowsAreThoseOfPlainLoops) {
  const Case& c = GetParam();
  RandomNumbers numbers;
  const std::vector<float> before = numbers.values(c.shape.elements());
  const RowPatcher patcher = c.patcher();
  const std::vector<float> got = patched(patcher, 0, c.shape[0], before);
  std::vector<double> want(before.begin(), before.end());
  const std::int64_t positions = c.shape.rank() < 2 ? 1 : c.shape.elements_from(2);
  for (const WeightPatch& patch : c.patches)
    add_plainly(patch, c.shape.elements_from(1), positions, want);
  const std::vector<float> narrow(want.begin(), want.end());
  const bool in_bf16 = c.dtype == DType::kBF16 && has_bf16_products();
  testing::expect_close(got, narrow, in_bf16 ? Tolerance{1e-3, 4e-3} : Tolerance{1e-6, 2e-6});
  EXPECT_NE(got, before);
}

TEST_P(Patched, PartsHaveTheBitsOfTheWhole) {
  const Case& c = GetParam();
  RandomNumbers numbers;
  const std::vector<float> before = numbers.values(c.shape.elements());
  const std::int64_t columns = c.shape.elements_from(1);
  const std::vector<float> all = patched(c.patcher(), 0, c.shape[0], before);
  const auto rows_in = [&](const std::vector<float>& from, std::int64_t first, std::int64_t count) {
    return std::vector<float>(from.begin() + first * columns,
                              from.begin() + (first + count) * columns);
  };
  for (const std::int64_t count : {1, 2, 3, 7, 11, 49}) {
    for (std::int64_t first = 0; first < c.shape[0]; first += count) {
      const std::int64_t here = std::min(count, c.shape[0] - first);
      EXPECT_EQ(patched(c.patcher(), first, here, rows_in(before, first, here)),
                rows_in(all, first, here))
          << first << " " << count;
    }
  }
  // A weight that has two ranges of the tensor's rows.
  const std::vector<RowRange> ranges{{13, 9}, {2, 7}};
  const RowPatcher cut = c.patcher(ranges);
  std::vector<float> want = rows_in(all, 13, 9), some = rows_in(before, 13, 9);
  const std::vector<float> want_2 = rows_in(all, 2, 7), some_2 = rows_in(before, 2, 7);
  want.insert(want.end(), want_2.begin(), want_2.end());
  some.insert(some.end(), some_2.begin(), some_2.end());
  EXPECT_EQ(patched(cut, 0, 16, some), want);
  EXPECT_EQ(patched(cut, 5, 8, rows_in(some, 5, 8)), rows_in(want, 5, 8));
}

TEST_P(Patched, BitsDoNotDependOnTheThreads) {
  const Case& c = GetParam();
  RandomNumbers numbers;
  const std::vector<float> before = numbers.values(c.shape.elements());
  const RowPatcher patcher = c.patcher();
  const std::vector<float> want = patched(patcher, 0, c.shape[0], before);
  const ThreadLimit alone(1);
  EXPECT_EQ(patched(patcher, 0, c.shape[0], before), want);
}

TEST_P(Patched, NeedsAreKnownBeforehand) {
  const Case& c = GetParam();
  const std::vector<RowRange> ranges{{13, 9}, {2, 7}};
  for (const std::vector<RowRange>& rows : {std::vector<RowRange>(), ranges}) {
    const RowPatcher patcher = c.patcher(rows);
    const RowPatcher::Needs needs = RowPatcher::needs(c.patches, c.shape, rows);
    EXPECT_EQ(needs.factor_bytes, patcher.factor_bytes());
    EXPECT_EQ(needs.shared_bytes, patcher.shared_bytes());
    EXPECT_GT(needs.operations, 0);
    std::uint64_t bytes = 0;
    for (const RowPatcher::Piece& piece : patcher.pieces()) bytes += piece.bytes;
    EXPECT_EQ(bytes, patcher.factor_bytes());
  }
}

INSTANTIATE_TEST_SUITE_P(Weights, Patched, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace semblance
