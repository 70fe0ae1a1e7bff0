#include "runtime/weight_rows.h"

#include <gtest/gtest.h>

#include <numeric>

#include "backend/backends.h"
#include "core/convert.h"
#include "runtime/session_test.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

using testing::error_of;
using testing::keeping;
using Numbers = std::vector<float>;

/// "table" f16 [10,3] of 0, 1, 2, ... after 6 bytes of something else.
WeightMap table() {
  Numbers values(30);
  std::iota(values.begin(), values.end(), 0.0F);
  std::vector<std::byte> bytes(6 + 60);
  from_f32(values, DType::kF16, std::span(bytes).subspan(6));
  WeightMap weights;
  weights.add("table", {DType::kF16, Shape{10, 3}, memory_file("model.safetensors", bytes), 6});
  return weights;
}

WeightRows rows_of_table(std::vector<RowRange> rows) {
  std::int64_t count = rows.empty() ? 10 : 0;
  for (const RowRange& range : rows) count += range.count;
  return find_weight(
      table(), {ValueKind::kWeight, "table", {DType::kF32, Shape{count, 3}}, -1, std::move(rows)});
}

Numbers read(const WeightRows& weight, std::int64_t first, std::int64_t count) {
  std::vector<std::byte> raw(static_cast<std::size_t>(count) * weight.tensor.row_bytes());
  Numbers values(static_cast<std::size_t>(count * weight.tensor.row_elements()));
  weight.read(first, count, raw, values);
  return values;
}

TEST(WeightRows, ReadsRangesInOrder) {
  const WeightRows weight = rows_of_table({{1, 2}, {9, 1}, {0, 2}});
  EXPECT_EQ(weight.row_count(), 5);
  EXPECT_EQ(weight.bytes(), 5U * 3 * 2);
  EXPECT_EQ(read(weight, 0, 5), (Numbers{3, 4, 5, 6, 7, 8, 27, 28, 29, 0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(read(weight, 1, 3), (Numbers{6, 7, 8, 27, 28, 29, 0, 1, 2}));
  EXPECT_EQ(read(weight, 4, 1), (Numbers{3, 4, 5}));
  EXPECT_EQ(read(weight, 5, 0), Numbers{});
  EXPECT_EQ(read(rows_of_table({}), 8, 2), (Numbers{24, 25, 26, 27, 28, 29}));
}

TEST(WeightRows, MergesAdjacentPieces) {
  const auto text = [](const WeightRows& weight) {
    std::string text;
    for (const FilePiece& piece : weight.pieces())
      text += fmt::format("{}+{} ", piece.offset, piece.bytes);
    return text;
  };
  EXPECT_EQ(text(rows_of_table({})), "6+60 ");
  EXPECT_EQ(text(rows_of_table({{1, 2}, {9, 1}})), "12+12 60+6 ");
  EXPECT_EQ(text(rows_of_table({{1, 2}, {3, 1}, {0, 1}})), "12+18 6+6 ");
}

TEST(WeightRows, MustBeInTheFiles) {
  const auto error = [](const std::string& name, Shape shape, std::vector<RowRange> rows) {
    return error_of([&] {
      find_weight(table(), {ValueKind::kWeight, name, {DType::kF32, shape}, -1, std::move(rows)});
    });
  };
  EXPECT_EQ(error("chair", {2, 3}, {{0, 2}}), "missing: weight chair is not in the model's files");
  EXPECT_EQ(error("table", {2, 4}, {{0, 2}}),
            "shape: rows of weight table must be [1,4], got a tensor [10,3] in model.safetensors");
  EXPECT_EQ(
      error("table", {2, 3, 1}, {{0, 2}}),
      "shape: rows of weight table must be [1,3,1], got a tensor [10,3] in model.safetensors");
  EXPECT_EQ(error("table", {4, 3}, {{0, 2}, {9, 2}}),
            "shape: weight table needs rows 9 to 10, but has 10 rows in model.safetensors");
  EXPECT_EQ(error("table", {2, 3}, {}),
            "shape: weight table must be [2,3], got [10,3] in model.safetensors");
}

TEST(Session, ComputesWithRowsOfATensor) {
  for (const Backend* backend : {&reference_backend(), &cpu_backend()}) {
    for (std::uint64_t resident_bytes : {std::uint64_t{0}, ~std::uint64_t{0}}) {
      Graph graph;
      const ValueId x = graph.add_input("x", {DType::kF32, Shape{1, 3}});
      const ValueId ends = graph.add_weight("table", {DType::kF32, Shape{3, 3}}, {{0, 1}, {8, 2}});
      const ValueId whole = graph.add_weight("table", {DType::kF32, Shape{10, 3}});
      graph.add_output("ends", graph.add(Linear{false, false}, {x, ends}));
      graph.add_output("whole", graph.add(Linear{false, false}, {x, whole}));
      Session session(std::move(graph), *backend, table(), keeping(resident_bytes > 0));
      session.set_input("x", Numbers{1, 0, 2});
      session.run();
      EXPECT_EQ(session.output_f32("ends"), (Numbers{4, 76, 85}));
      EXPECT_EQ(session.output_f32("whole"), (Numbers{4, 13, 22, 31, 40, 49, 58, 67, 76, 85}));
    }
  }
}

}  // namespace
}  // namespace semblance
