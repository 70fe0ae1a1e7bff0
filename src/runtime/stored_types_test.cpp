// Weights in types that only files have: any rows can be read on their own, and a session gives the
// same bits as with the same numbers in f32, whatever memory it has.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "backend/backends.h"
#include "core/half.h"
#include "runtime/news_test.h"
#include "runtime/session.h"
#include "runtime/session_test.h"
#include "runtime/weight_rows.h"
#include "tests/support/sanitized.h"

namespace semblance {
namespace {

using Numbers = std::vector<float>;

constexpr DType kTypes[] = {DType::kF8E4M3, DType::kF8E5M2, DType::kQ4_0, DType::kQ4_1,
                            DType::kQ5_0,   DType::kQ5_1,   DType::kQ8_0, DType::kQ4_K,
                            DType::kQ5_K,   DType::kQ6_K};

/// Random blocks of small, finite numbers; the tensor begins at element `first`.
StoredTensor random_tensor(DType dtype, const Shape& shape, std::int64_t first = 0) {
  constexpr std::size_t kFront = 7;  // bytes of other data
  StoredTensor tensor{.dtype = dtype, .shape = shape, .file = nullptr, .offset = kFront};
  tensor.first = first;
  if (!is_in_blocks(dtype)) tensor.scale = 0.37F;
  std::mt19937 random(static_cast<unsigned>(dtype) + 1);
  std::vector<std::byte> bytes(kFront + tensor.bytes());
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0x3f);
  const StoredBlock block = block_of(dtype);
  const auto put = [&](std::size_t at, float value) {
    const std::uint16_t half = f32_to_f16(value);
    bytes[at] = static_cast<std::byte>(half & 0xff);
    bytes[at + 1] = static_cast<std::byte>(half >> 8);
  };
  if (is_in_blocks(dtype)) {
    for (std::size_t at = kFront; at < bytes.size(); at += block.bytes) {
      const float factor = static_cast<float>(random() % 100) / 1e4F - 4e-3F;
      put(dtype == DType::kQ6_K ? at + 208 : at, factor);
      if (dtype != DType::kQ6_K) put(at + 2, factor / 2);
    }
  }
  tensor.file = memory_file("model.gguf", std::move(bytes));
  return tensor;
}

Numbers all_of(const StoredTensor& tensor) {
  Numbers values(static_cast<std::size_t>(tensor.shape.elements()));
  std::vector<std::byte> raw(tensor.rows_bytes(tensor.rows()));
  read_rows(tensor, 0, tensor.rows(), raw, values);
  return values;
}

class StoredType : public ::testing::TestWithParam<DType> {};

TEST_P(StoredType, ReadsAnyRangeOfRows) {
  // With 80 values, only the first row begins at a block of 256, and few at a block of 32.
  const std::int64_t first = is_in_blocks(GetParam()) ? 11 : 0;
  const WeightRows weight{random_tensor(GetParam(), {10, 80}, first), {{1, 2}, {3, 1}, {9, 1}}};
  const Numbers all = all_of(weight.tensor);
  Numbers want;
  for (const std::int64_t row : {1, 2, 3, 9})
    want.insert(want.end(), all.begin() + row * 80, all.begin() + (row + 1) * 80);

  std::vector<std::byte> raw;
  for (const FilePiece& piece : weight.pieces()) {
    raw.resize(raw.size() + piece.bytes);
    weight.tensor.file->read(piece.offset, std::span(raw).last(piece.bytes));
  }
  EXPECT_EQ(raw.size(), weight.bytes());
  EXPECT_EQ(raw.size(), stored_bytes(weight.tensor, weight.rows));
  for (std::int64_t begin = 0; begin < 4; ++begin) {
    for (std::int64_t count = 0; begin + count <= 4; ++count) {
      const Numbers part(want.begin() + begin * 80, want.begin() + (begin + count) * 80);
      Numbers values(part.size());
      std::vector<std::byte> staging(weight.tensor.rows_bytes(count));
      weight.read(begin, count, staging, values);
      EXPECT_EQ(values, part);
      std::fill(values.begin(), values.end(), 0.0F);
      weight.convert(begin, count, raw, values);
      EXPECT_EQ(values, part);
    }
  }
}

/// The same weights, stored and as f32.
struct Both {
  WeightMap stored, wide;

  void add(const std::string& name, const StoredTensor& tensor) {
    const Numbers values = all_of(tensor);
    const auto bytes = std::as_bytes(std::span(values));
    wide.add(name, {DType::kF32, tensor.shape, memory_file(name, {bytes.begin(), bytes.end()}), 0});
    stored.add(name, tensor);
  }
};

Numbers ramp(std::int64_t count) {
  Numbers values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i % 13) / 13.0F - 0.4F;
  return values;
}

TEST_P(StoredType, MatchesF32KeptAndStreamed) {
  const Shape kernel{64, 40, 3, 3}, matrix{24, 64};
  Both weights;
  weights.add("conv.weight", random_tensor(GetParam(), kernel));
  weights.add("linear.weight", random_tensor(GetParam(), matrix));
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::kF32, Shape{1, 6, 6, 40}});
  const ValueId y = graph.add(Conv2d{.pad = {1, 1, 1, 1}, .has_bias = false},
                              {x, graph.add_weight("conv.weight", {DType::kF32, kernel})});
  graph.add_output("y", graph.add(Linear{false, false},
                                  {graph.add(Reshape{.shape = {36, 64}}, {y}),
                                   graph.add_weight("linear.weight", {DType::kF32, matrix})}));
  for (const Backend* backend : {&reference_backend(), &cpu_backend()}) {
    const auto run = [&](const WeightMap& map, bool keeps) {
      Session session(graph, *backend, map, testing::keeping(keeps));
      session.set_input("x", ramp(36 * 40));
      session.run();
      session.run();
      return session.output_f32("y");
    };
    const Numbers want = run(weights.wide, true);
    EXPECT_EQ(run(weights.stored, true), want);
    EXPECT_EQ(run(weights.stored, false), want);
  }
}

/// A weight too large to be held at once: it is read in ranges of rows that begin inside blocks.
TEST_P(StoredType, MatchesF32WhenCut) {
  const Shape matrix{2560, 1000};
  Both weights;
  weights.add("w", random_tensor(GetParam(), matrix));
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::kF32, Shape{4, 1000}});
  graph.add_output(
      "y", graph.add(Linear{false, false}, {x, graph.add_weight("w", {DType::kF32, matrix})}));
  const auto run = [&](const WeightMap& map, bool keeps) {
    Session session(graph, cpu_backend(), map, testing::keeping(keeps));
    const auto values = session.graph().values();
    const auto ranges = std::count_if(values.begin(), values.end(),
                                      [](const ValueInfo& value) { return !value.rows.empty(); });
    EXPECT_EQ(ranges > 1, !keeps) << ranges;
    session.set_input("x", ramp(4 * 1000));
    session.run();
    return session.output_f32("y");
  };
  EXPECT_EQ(run(weights.stored, false), run(weights.wide, true));
}

TEST_P(StoredType, IsPlannedByItsSizeInTheFile) {
  const StoredTensor tensor = random_tensor(GetParam(), {24, 256});
  WeightMap weights;
  weights.add("w", tensor);
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::kF32, Shape{2, 256}});
  graph.add_output("y", graph.add(Linear{false, false},
                                  {x, graph.add_weight("w", {DType::kF32, Shape{24, 256}})}));
  const Session session(std::move(graph), cpu_backend(), weights, testing::keeping(false));
  ASSERT_EQ(session.plan().weights.size(), 1U);
  EXPECT_EQ(session.plan().weights[0].needs.raw_bytes, tensor.bytes());
  EXPECT_LE(tensor.bytes(), 24U * 256 * 34 / 32);
}

TEST_P(StoredType, AllocatesNothingInARun) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer's teams are new threads each time";
  WeightMap weights;
  weights.add("w", random_tensor(GetParam(), {24, 80}));
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::kF32, Shape{2, 80}});
  graph.add_output("y", graph.add(Linear{false, false},
                                  {x, graph.add_weight("w", {DType::kF32, Shape{24, 80}})}));
  Session session(std::move(graph), reference_backend(), weights, testing::keeping(false));
  session.set_input("x", ramp(2 * 80));
  const int before = testing::allocation_count();
  session.run();
  EXPECT_EQ(testing::allocation_count(), before);
}

TEST_P(StoredType, WorksAsAnEmbeddingTable) {
  const StoredTensor table = random_tensor(GetParam(), {10, 80});
  const Numbers all = all_of(table);
  WeightMap weights;
  weights.add("table", table);
  Graph graph;
  const ValueId ids = graph.add_input("ids", {DType::kI32, Shape{1, 2}});
  graph.add_output(
      "y", graph.add(Embedding{}, {ids, graph.add_weight("table", {DType::kF32, Shape{10, 80}})}));
  Session session(std::move(graph), reference_backend(), weights);
  session.set_input("ids", std::vector<std::int32_t>{9, 3});
  session.run();
  Numbers want(all.begin() + 9 * 80, all.end());
  want.insert(want.end(), all.begin() + 3 * 80, all.begin() + 4 * 80);
  EXPECT_EQ(session.output_f32("y"), want);
}

INSTANTIATE_TEST_SUITE_P(Files, StoredType, ::testing::ValuesIn(kTypes),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace semblance
