#include "runtime/kept_weights.h"

#include <gtest/gtest.h>

#include <set>

#include "backend/backends.h"
#include "core/integers.h"
#include "memory/buffer.h"
#include "runtime/session.h"
#include "tests/support/copying_backend.h"

namespace semblance {
namespace {

/// Linear layers of many sizes over x [rows,64], and weights for them.
class Layers {
 public:
  Layers() {
    for (std::size_t i = 0; i < kWidths.size(); ++i) {
      const Shape shape{kWidths[i], i == 0 ? 64 : kWidths[i - 1]};
      values_.emplace_back(at(shape.elements()));
      std::vector<float>& values = values_.back();
      for (std::size_t k = 0; k < values.size(); ++k)
        values[k] = static_cast<float>((k * 7 + i) % 23) / 230.0F - 0.05F;
      const auto bytes = std::as_bytes(std::span(values));
      weights_.add(name(i),
                   {DType::kF32, shape, memory_file(name(i), {bytes.begin(), bytes.end()}), 0});
    }
  }
  /// Only the layers from `first` on.
  static Graph graph(std::int64_t rows, std::size_t first = 0) {
    Graph graph;
    const std::int64_t columns = first == 0 ? 64 : kWidths[first - 1];
    ValueId x = graph.add_input("x", {DType::kF32, Shape{rows, columns}});
    for (std::size_t i = first; i < kWidths.size(); ++i) {
      const Shape shape{kWidths[i], i == 0 ? 64 : kWidths[i - 1]};
      x = graph.add(Linear{false, false}, {x, graph.add_weight(name(i), {DType::kF32, shape})});
    }
    graph.add_output("y", x);
    return graph;
  }
  const WeightMap& weights() const { return weights_; }

 private:
  static constexpr std::array<std::int64_t, 7> kWidths{200, 96, 300, 300, 40, 128, 500};
  static std::string name(std::size_t i) { return "layer" + std::to_string(i); }
  std::vector<std::vector<float>> values_;
  WeightMap weights_;
};

std::vector<float> output_of(Session& session) {
  const Graph& graph = session.graph();
  std::vector<float> x(at(graph.type(graph.find_input("x")).shape.elements()));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) - 8.0F;
  session.set_input("x", x);
  session.run();
  return session.output_f32("y");
}

/// Memory limits with which none, some or all weights stay.
std::vector<SessionOptions> limits(const Graph& graph, const WeightMap& weights) {
  SessionOptions options;
  options.fit.keep_weights = false;
  const std::uint64_t least = Session(graph, cpu_backend(), weights, options).plan().memory_bytes();
  options.fit.keep_weights = true;
  const std::uint64_t most = Session(graph, cpu_backend(), weights, options).plan().memory_bytes();
  std::vector<SessionOptions> all;
  for (std::uint64_t i = 0; i <= 3; ++i) {
    options.fit.memory_bytes = least + (most - least) * i / 3;
    all.push_back(options);
  }
  return all;
}

std::uint64_t bytes_of_loads(const Plan& plan, const std::set<std::string>& there,
                             const Graph& graph) {
  std::uint64_t bytes = 0;
  for (const WeightUse& use : plan.weights) {
    if (use.keep == Keep::kStreamed || !there.contains(graph.values()[at(use.weight)].name))
      bytes += use.needs.raw_bytes;
  }
  return bytes;
}

std::set<std::string> names_of(const KeptWeights& kept) {
  std::set<std::string> names;
  for (const KeptWeights::Weight& weight : kept.weights) names.insert(weight.value.name);
  return names;
}

/// The next session reads only what the last one did not keep, and computes the same.
TEST(KeptWeights, AreTakenOverAtAnyLimit) {
  const Layers layers;
  for (const std::size_t skipped : {0U, 2U}) {
    const Graph first_graph = Layers::graph(6);
    const Graph second_graph = Layers::graph(3, skipped);
    for (const SessionOptions& first : limits(first_graph, layers.weights())) {
      for (const SessionOptions& second : limits(second_graph, layers.weights())) {
        Session fresh(second_graph, cpu_backend(), layers.weights(), second);
        Session ended(first_graph, cpu_backend(), layers.weights(), first);
        output_of(ended);
        KeptWeights kept = std::move(ended).end();
        EXPECT_EQ(count_of(Tag::kActivations).bytes, fresh.plan().arena_bytes);
        const std::set<std::string> there = names_of(kept);
        Session session(second_graph, cpu_backend(), layers.weights(), second, {}, std::move(kept));
        EXPECT_EQ(count_of(Tag::kWeights).bytes, 2 * fresh.plan().resident_bytes);
        EXPECT_EQ(output_of(session), output_of(fresh));
        EXPECT_EQ(session.stream_times().weight_bytes,
                  bytes_of_loads(session.plan(), there, session.graph()));
      }
    }
  }
}

TEST(KeptWeights, OfADeviceThatCannotKeepThemAreReadAnew) {
  const Layers layers;
  const testing::CopyingBackend backend;
  Session ended(Layers::graph(6), backend, layers.weights());
  const std::vector<float> want = output_of(ended);
  KeptWeights kept = std::move(ended).end();
  EXPECT_EQ(kept.bytes, 0);
  EXPECT_EQ(count_of(Tag::kWeights).bytes, 0);
  Session session(Layers::graph(6), backend, layers.weights(), {}, {}, std::move(kept));
  EXPECT_EQ(output_of(session), want);
}

/// A session that was stopped has loaded only some of its weights.
TEST(KeptWeights, AreThoseThatWereLoaded) {
  const Layers layers;
  Session ended(Layers::graph(6), cpu_backend(), layers.weights());
  KeptWeights kept = std::move(ended).end();
  EXPECT_TRUE(kept.weights.empty());
  Session session(Layers::graph(6), cpu_backend(), layers.weights(), {}, {}, std::move(kept));
  Session fresh(Layers::graph(6), cpu_backend(), layers.weights());
  EXPECT_EQ(output_of(session), output_of(fresh));
}

}  // namespace
}  // namespace semblance
