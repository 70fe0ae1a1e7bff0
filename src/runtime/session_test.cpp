#include "runtime/session.h"

#include <gtest/gtest.h>

#include <numeric>

#include "backend/backends.h"
#include "memory/buffer.h"
#include "runtime/news_test.h"
#include "runtime/session_test.h"
#include "tests/support/errors.h"
#include "tests/support/failing_file.h"
#include "tests/support/golden.h"
#include "tests/support/sanitized.h"

namespace semblance {
namespace {

using testing::error_of;
using testing::FailingFile;
using testing::keeping;

std::vector<std::byte> bytes_of(const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

/// Two linear layers over x [3,64], with weights in two files of f32.
class TwoLayers {
 public:
  TwoLayers() {
    add("first.weight", Shape{200, 64});
    add("first.bias", Shape{200});
    add("second.weight", Shape{32, 200});
  }
  Graph graph() const {
    Graph graph;
    const ValueId x = graph.add_input("x", {DType::kF32, Shape{3, 64}});
    const ValueId h =
        graph.add(Linear{}, {x, graph.add_weight("first.weight", {DType::kF32, Shape{200, 64}}),
                             graph.add_weight("first.bias", {DType::kF32, Shape{200}})});
    const ValueId y = graph.add(Linear{false, false},
                                {graph.add(Unary{UnaryFn::kRelu}, {h}),
                                 graph.add_weight("second.weight", {DType::kF32, Shape{32, 200}})});
    graph.add_output("y", y);
    return graph;
  }
  void replace(const std::string& name, StoredTensor tensor) {
    WeightMap others;
    for (const auto& [known, stored] : weights_) {
      if (known != name) others.add(known, stored);
    }
    if (tensor.file) others.add(name, std::move(tensor));
    weights_ = std::move(others);
  }
  const WeightMap& weights() const { return weights_; }
  std::vector<float> run(const Backend& backend, std::uint64_t resident_bytes) const {
    Session session(graph(), backend, weights_, keeping(resident_bytes > 0));
    session.set_input("x", input());
    session.run();
    return session.output_f32("y");
  }
  static std::vector<float> input() {
    std::vector<float> x(3 * 64);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) - 8.0F;
    return x;
  }

 private:
  void add(const std::string& name, Shape shape) {
    std::vector<float> values(static_cast<std::size_t>(shape.elements()));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>((i * 7 + name.size()) % 23) / 23.0F - 0.5F;
    weights_.add(name, {DType::kF32, shape, memory_file(name, bytes_of(values)), 0});
  }
  WeightMap weights_;
};

TEST(Session, GivesTheSameBitsForAnyResidentWeights) {
  const TwoLayers layers;
  for (const Backend* backend : {&reference_backend(), &cpu_backend()}) {
    const std::vector<float> all = layers.run(*backend, ~std::uint64_t{0});
    for (std::uint64_t bytes : {0U, 1000U, 30000U})
      EXPECT_EQ(layers.run(*backend, bytes), all) << bytes;
  }
  testing::expect_close(layers.run(cpu_backend(), 0), layers.run(reference_backend(), 0));
}

TEST(Session, KeepsInputsBetweenRuns) {
  const TwoLayers layers;
  Session session(layers.graph(), reference_backend(), layers.weights());
  session.set_input("x", TwoLayers::input());
  session.run();
  const std::vector<float> first = session.output_f32("y");
  session.run();
  EXPECT_EQ(session.output_f32("y"), first);
}

TEST(Session, AllocatesNothingInARun) {
  if (testing::kSanitized)
    GTEST_SKIP() << "sanitizer builds start new threads for every parallel region";
  const TwoLayers layers;
  for (std::uint64_t resident_bytes : {std::uint64_t{0}, ~std::uint64_t{0}}) {
    Session session(layers.graph(), reference_backend(), layers.weights(),
                    keeping(resident_bytes > 0));
    session.set_input("x", TwoLayers::input());
    const auto staging = count_of(Tag::kStaging).peak_bytes;
    const int before = testing::allocation_count();
    session.run();
    EXPECT_EQ(testing::allocation_count(), before);
    EXPECT_EQ(count_of(Tag::kStaging).peak_bytes, staging);
  }
}

/// A session with a patch computes what one with the merged weight does.
TEST(Session, AddsPatchesToWeights) {
  const TwoLayers layers;
  TwoLayers merged;
  WeightPatches patches;
  std::vector<float> up(200 * 2), down(2 * 64);
  for (std::size_t i = 0; i < up.size(); ++i) up[i] = static_cast<float>(i % 5) / 8;
  for (std::size_t i = 0; i < down.size(); ++i) down[i] = static_cast<float>(i % 7) / 8;
  patches["first.weight"].push_back(
      {.scale = -0.5F,
       .first = {.tensors = {{DType::kF32, Shape{200, 2}, memory_file("up", bytes_of(up)), 0},
                             {DType::kF32, Shape{2, 64}, memory_file("down", bytes_of(down)), 0}},
                 .rows = 200,
                 .columns = 64,
                 .rank = 2}});
  const StoredTensor& first = *layers.weights().find("first.weight");
  std::vector<float> weight(200 * 64);
  read_rows(first, 0, 200, {}, weight);
  for (std::size_t i = 0; i < weight.size(); ++i) {
    for (std::size_t k = 0; k < 2; ++k)
      weight[i] -= 0.5F * up[i / 64 * 2 + k] * down[k * 64 + i % 64];
  }
  merged.replace("first.weight",
                 {DType::kF32, first.shape, memory_file("merged", bytes_of(weight)), 0});
  const std::vector<float> want = merged.run(cpu_backend(), 0);
  EXPECT_NE(layers.run(cpu_backend(), 0), want);
  for (const bool keeps : {false, true}) {
    Session session(layers.graph(), cpu_backend(), {layers.weights(), &patches}, keeping(keeps));
    session.set_input("x", TwoLayers::input());
    session.run();
    testing::expect_close(session.output_f32("y"), want);
  }
}

TEST(Session, ReportsMissingAndMisshapenWeights) {
  TwoLayers layers;
  layers.replace("second.weight", {});
  EXPECT_EQ(error_of([&] { layers.run(reference_backend(), 0); }),
            "missing: weight second.weight is not in the model's files");
  layers.replace("second.weight",
                 {DType::kF32, Shape{200, 32}, memory_file("f", std::vector<std::byte>(25600)), 0});
  EXPECT_EQ(error_of([&] { layers.run(reference_backend(), 0); }),
            "shape: weight second.weight must be [32,200], got [200,32] in f");
}

TEST(Session, PassesOnReadErrors) {
  TwoLayers layers;
  layers.replace("second.weight",
                 {DType::kF32, Shape{32, 200},
                  std::make_shared<FailingFile>(
                      memory_file("weights.safetensors", std::vector<std::byte>(25600)), 0),
                  0});
  for (std::uint64_t resident_bytes : {std::uint64_t{0}, ~std::uint64_t{0}}) {
    EXPECT_EQ(error_of([&] { layers.run(reference_backend(), resident_bytes); }),
              "device: cannot read weights.safetensors: Input/output error");
  }
}

TEST(Session, CanRunAgainAfterAStop) {
  const TwoLayers layers;
  Session session(layers.graph(), reference_backend(), layers.weights());
  session.set_input("x", TwoLayers::input());
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(error_of([&] { session.run(stop.get_token()); }), "cancelled: cancelled");
  session.run();
  EXPECT_EQ(session.output_f32("y"), layers.run(reference_backend(), 0));
}

TEST(Session, ReadsOnlyTheUsedRowsOfAnEmbedding) {
  std::vector<float> table(10 * 4);
  std::iota(table.begin(), table.end(), 0.0F);
  WeightMap weights;
  weights.add("table",
              {DType::kF32, Shape{10, 4}, memory_file("model.safetensors", bytes_of(table)), 0});
  Graph graph;
  const ValueId ids = graph.add_input("ids", {DType::kI32, Shape{1, 2}});
  graph.add_output(
      "y", graph.add(Embedding{}, {ids, graph.add_weight("table", {DType::kF32, Shape{10, 4}})}));
  Session session(std::move(graph), reference_backend(), weights);
  EXPECT_EQ(session.plan().weights.size(), 0U);
  session.set_input("ids", std::vector<std::int32_t>{9, 2});
  session.run();
  EXPECT_EQ(session.output_f32("y"), (std::vector<float>{36, 37, 38, 39, 8, 9, 10, 11}));
  session.set_input("ids", std::vector<std::int32_t>{10, 2});
  EXPECT_EQ(
      error_of([&] { session.run(); }),
      "shape: token id 10 is outside the embedding table in model.safetensors, which has 10 rows");
}

TEST(Backend, SaysWhyNoKernelAcceptsANode) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::kI64, Shape{4}});
  graph.add_output("y", graph.add(Unary{}, {x}));
  const std::string text =
      error_of([&] { Session(std::move(graph), reference_backend(), WeightMap{}); });
  EXPECT_TRUE(text.starts_with("device: backend ref has no kernel for unary(i64[4])")) << text;
}

}  // namespace
}  // namespace semblance
