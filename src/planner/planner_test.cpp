// Properties of every graph and budget.
#include <gtest/gtest.h>

#include "planner/check_plan.h"
#include "planner/fit.h"
#include "planner/make_plan.h"
#include "planner/random_graph_test.h"
#include "planner/spill.h"
#include "tests/support/sanitized.h"

namespace semblance {
namespace {

using testing::FakeKernels;
using testing::random_graph;
using testing::RandomSizes;

constexpr std::uint64_t kMiB = 1 << 20;

std::vector<NodeNeeds> needs_of(const Graph& graph, const FakeKernels& kernels) {
  std::vector<NodeNeeds> needs;
  for (const Node& node : graph.nodes()) needs.push_back(kernels(graph, node));
  return needs;
}

/// Expects the same inputs and outputs.
void expect_same_interface(const Graph& before, const Graph& after) {
  ASSERT_EQ(before.outputs().size(), after.outputs().size());
  for (std::size_t i = 0; i < before.outputs().size(); ++i) {
    EXPECT_EQ(before.outputs()[i].first, after.outputs()[i].first);
    EXPECT_EQ(before.type(before.outputs()[i].second), after.type(after.outputs()[i].second));
  }
  std::vector<ValueInfo> first, second;
  for (const ValueInfo& value : before.values()) {
    if (value.kind == ValueKind::kInput) first.push_back(value);
  }
  for (const ValueInfo& value : after.values()) {
    if (value.kind == ValueKind::kInput) second.push_back(value);
  }
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].name, second[i].name);
    EXPECT_EQ(first[i].type, second[i].type);
  }
}

/// Like the decoder's largest convolution, which takes two cores 6 seconds. Runs stop only between
/// nodes.
TEST(Planner, CutsLongConvolutionsSoThatARunCanStop) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::kF32, {1, 1024, 1024, 256}});
  const ValueId weight = graph.add_weight("w", {DType::kF32, {256, 256, 3, 3}});
  graph.add_output("y", graph.add(Conv2d{.pad = {1, 1, 1, 1}, .has_bias = false}, {x, weight}));
  ASSERT_GT(graph.cost(), 1.2e12);
  const auto program = fit(graph, FakeKernels(1), {});
  ASSERT_TRUE(program.has_value());
  expect_same_interface(graph, program->graph);
  for (const Node& node : program->graph.nodes()) EXPECT_LT(program->graph.cost(node), 1.1e11);
  EXPECT_GT(program->graph.cost(), 1.2e12);
  EXPECT_LT(program->graph.cost(), 1.25e12) << "nothing is computed twice";
}

TEST(Planner, PlansLoweredGraphsCorrectly) {
  std::mt19937 random(1);
  std::ptrdiff_t once = 0;
  for (unsigned seed = 0; seed < testing::sweep(150U); ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = random_graph(seed, {64, 64, 5, true});
    const FakeKernels kernels(seed);
    const auto facts = [&](const Graph& g, const Node& node) {
      const NodeNeeds needs = kernels(g, node);
      return WeightFacts{needs.src[1].packed_bytes, needs.is_exact_by_channels};
    };
    const LowerRules rules = testing::random_rules(random, graph);
    Lowered lowered;
    ASSERT_NO_THROW(lowered = lower(graph, rules, facts)) << testing::to_string(rules);
    expect_same_interface(graph, lowered.graph);
    std::vector<NodeNeeds> needs = needs_of(lowered.graph, kernels);
    PlanChoices choices{random() % 2 * random() % (4 * kMiB),
                        random() % kMiB,
                        1 + random() % 5,
                        random() % 2 * 16 * kFileAlignment,
                        random() % 2 == 0 ? 0 : 1e8,
                        random() % (2 * kMiB)};
    for (const char* const input : {"picture", "time", "context", "rows", "control"})
      if (random() % 2 == 0) choices.steady_inputs.emplace_back(input);
    Plan plan = make_plan(lowered, needs, choices);
    once += std::ranges::count(plan.runs_once, true);
    ASSERT_NO_THROW(check_plan(lowered.graph, needs, plan, choices.steady_inputs))
        << testing::to_string(rules) << "\n"
        << to_string(lowered.graph);
    EXPECT_GT(peaks_of(lowered.graph, plan).arena_bytes + kFileAlignment, plan.arena_bytes);
    const std::uint64_t target = plan.arena_bytes >> (random() % 5);
    Lowered spilled = spill(lowered, needs, random() % 4 == 0 ? 0 : target);
    expect_same_interface(graph, spilled.graph);
    needs = needs_of(spilled.graph, kernels);
    plan = make_plan(spilled, needs, choices);
    ASSERT_NO_THROW(check_plan(spilled.graph, needs, plan, choices.steady_inputs))
        << to_string(spilled.graph);
  }
  EXPECT_GT(once, 0);
}

FitOptions random_options(std::mt19937& random) {
  FitOptions options;
  options.may_spill = random() % 4 > 0;
  options.keep_weights = random() % 2 == 0;
  if (random() % 6 == 0) options.file_bytes = random() % (64 * kMiB);
  if (random() % 2 == 0) {  // a card
    options.rates.upload = 1e9;
    options.host_bytes = random() % 3 == 0 ? random() % (8 * kMiB) : 64 * kMiB;
  }
  return options;
}

std::uint64_t counted_bytes(const Plan& plan, const FitOptions& options) {
  return options.host_bytes ? plan.places_bytes() : plan.memory_bytes();
}

Graph large_graph(unsigned seed) { return random_graph(seed, {256, 64, 4, true}); }

void expect_same_plan(const Plan& a, const Plan& b) {
  const auto words = [](const Plan& plan) {
    std::vector<std::uint64_t> all{plan.arena_bytes, plan.ring_bytes, plan.resident_bytes,
                                   plan.file_bytes};
    const auto add = [&](const Place& place) {
      all.push_back(place.offset);
      all.push_back(place.bytes);
    };
    for (const Place& place : plan.values) add(place);
    for (const Place& place : plan.scratch) add(place);
    for (bool in_file : plan.in_file) all.push_back(in_file ? 1 : 0);
    for (bool is_view : plan.is_view) all.push_back(is_view ? 1 : 0);
    for (int before : plan.spilled_before) all.push_back(static_cast<std::uint64_t>(before));
    for (const WeightUse& use : plan.weights) {
      for (int number :
           {use.weight, use.loaded_from, use.first_node, use.last_node, static_cast<int>(use.keep)})
        all.push_back(static_cast<std::uint64_t>(number));
      add(use.packed);
    }
    for (const NodeWeight& weight : plan.node_weights) {
      for (int number : {weight.node, weight.src, weight.use})
        all.push_back(static_cast<std::uint64_t>(number));
    }
    return all;
  };
  EXPECT_EQ(words(a), words(b));
}

// Programs keep to their limits, and fit() fails only if none can.
TEST(Planner, KeepsToTheBudgetOrRefuses) {
  std::mt19937 random(2);
  int fitted = 0, refused = 0;
  for (unsigned seed = 1000; seed < 1000U + testing::sweep(30U); ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = large_graph(seed);
    const FakeKernels kernels(seed);
    FitOptions options = random_options(random);
    const std::uint64_t least = least_memory(graph, kernels, options);
    std::uint64_t most = 0;
    for (const ValueInfo& value : graph.values()) most += value.type.bytes();
    options.memory_bytes = random() % 3 == 0 ? random() % most : random() % (2 * least + 1);
    const std::optional<Program> program = fit(graph, kernels, options);
    if (!program) {
      ++refused;
      EXPECT_GT(least, options.memory_bytes);
      continue;
    }
    ++fitted;
    EXPECT_LE(counted_bytes(program->plan, options), options.memory_bytes);
    EXPECT_LE(program->plan.host_bytes(), options.host_bytes.value_or(~std::uint64_t{0}));
    EXPECT_LE(program->plan.file_bytes, options.file_bytes);
    EXPECT_LE(least, options.memory_bytes)
        << program->plan.memory_bytes() << " file " << program->plan.file_bytes << " of "
        << options.file_bytes;
    if (!options.may_spill) {
      EXPECT_EQ(program->plan.file_bytes, 0U);
    }
    EXPECT_GE(program->seconds, program->wait_seconds);
    expect_same_interface(graph, program->graph);
    ASSERT_NO_THROW(check_plan(program->graph, program->needs, program->plan));
  }
  if (testing::kSanitized) return;  // too few cases for both
  EXPECT_GT(fitted, 5);
  EXPECT_GT(refused, 3);
}

TEST(Planner, FitsExactlyIntoTheLeastMemory) {
  std::mt19937 random(4);
  for (unsigned seed = 2000; seed < 2000U + testing::sweep(15U); ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = large_graph(seed);
    const FakeKernels kernels(seed);
    FitOptions options = random_options(random);
    const std::uint64_t least = least_memory(graph, kernels, options);
    if (least == ~std::uint64_t{0}) continue;  // no program keeps to the other limits
    options.memory_bytes = least;
    const std::optional<Program> program = fit(graph, kernels, options);
    ASSERT_TRUE(program.has_value());
    EXPECT_LE(counted_bytes(program->plan, options), least);
    ASSERT_NO_THROW(check_plan(program->graph, program->needs, program->plan));
    const std::optional<Program> again = fit(graph, kernels, options);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(to_string(program->graph), to_string(again->graph));
    expect_same_plan(program->plan, again->plan);
    EXPECT_EQ(program->seconds, again->seconds);
    options.memory_bytes = least - 4096;
    EXPECT_FALSE(fit(graph, kernels, options).has_value())
        << least << (options.may_spill ? " spills, file " : " does not spill, file ")
        << options.file_bytes;
  }
}

// What fits a budget fits every larger budget.
TEST(Planner, FitsLargerBudgets) {
  std::mt19937 random(5);
  for (unsigned seed = 3000; seed < 3006; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = large_graph(seed);
    const FakeKernels kernels(seed);
    FitOptions options = random_options(random);
    options.file_bytes = ~std::uint64_t{0};
    if (options.host_bytes) options.host_bytes = 64 * kMiB;
    const std::uint64_t least = least_memory(graph, kernels, options);
    for (int i = 0; i < 8; ++i) {
      options.memory_bytes = least + random() % (least / 2 + 1);
      const std::optional<Program> program = fit(graph, kernels, options);
      EXPECT_TRUE(program.has_value()) << options.memory_bytes << " of " << least;
      if (program) {
        ASSERT_NO_THROW(check_plan(program->graph, program->needs, program->plan));
      }
    }
  }
}

/// 40 layers of 1 MiB of weights, each computed in 1 ms.
struct Chain {
  Graph graph;
  Chain() {
    ValueId value = graph.add_input("x", {DType::kF32, Shape{1, 512}});
    for (int i = 0; i < 40; ++i) {
      const ValueId weight =
          graph.add_weight("w" + std::to_string(i), {DType::kF32, Shape{512, 512}});
      value = graph.add(Linear{false, false}, {value, weight});
    }
    graph.add_output("y", value);
  }
  static NodeNeeds needs(const Graph& /*graph*/, const Node& /*node*/) {
    return {.seconds = 1e-3, .src = {{}, {kMiB, kMiB, 0}}};
  }
  /// `upload`: MiB per second.
  Program program(double upload, std::uint64_t memory_bytes) const {
    FitOptions options;
    options.memory_bytes = memory_bytes;
    options.host_bytes = 64 * kMiB;
    options.rates.read = options.rates.pack = 1e12;
    options.rates.upload = upload * kMiB;
    auto program = fit(graph, needs, options);
    SEMBLANCE_ASSERT(program.has_value());
    check_plan(program->graph, program->needs, program->plan);
    return std::move(*program);
  }
};

TEST(Planner, UploadsWeightsWhileEarlierLayersCompute) {
  const Chain chain;
  // 1.6 times as fast as needed. Only the first upload, 0.6 ms, has nothing to hide behind.
  const Program fast = chain.program(1600, 8 * kMiB);
  EXPECT_NEAR(fast.seconds, 0.0406, 0.0002);
  for (std::size_t i = 1; i < fast.plan.weights.size(); ++i) {
    EXPECT_LT(fast.plan.weights[i].loaded_from, fast.plan.weights[i].first_node);
    EXPECT_GE(fast.plan.weights[i].loaded_from, fast.plan.weights[i].first_node - 2);
  }
  // The link is the limit: what memory there is does not change that, and nothing else waits.
  EXPECT_NEAR(chain.program(500, 8 * kMiB).seconds, 0.081, 0.001);
  // No memory to upload ahead: each layer waits.
  const Program tight = chain.program(1600, kMiB + 8192);
  EXPECT_NEAR(tight.seconds, 0.040 + 40.0 / 1600, 0.001);
  for (const WeightUse& use : tight.plan.weights) EXPECT_EQ(use.loaded_from, use.first_node);
}

}  // namespace
}  // namespace semblance
