#include <gtest/gtest.h>

#include <random>

#include "planner/plan.h"

namespace semblance {
namespace {

/// A graph of one chain of affine ops over f32[16], 64 bytes a value.
Graph chain(int length) {
  Graph graph;
  ValueId value = graph.add_input("x", {DType::kF32, Shape{16}});
  for (int i = 0; i < length; ++i) value = graph.add(Affine{2, 1}, {value});
  graph.add_output("y", value);
  return graph;
}

std::vector<NodeNeeds> no_needs(const Graph& graph) {
  return std::vector<NodeNeeds>(graph.nodes().size());
}

/// Ops of every kind of aliasing over random sizes, with scratch and weights.
Graph random_graph(std::mt19937& random, std::vector<NodeNeeds>& needs) {
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  Graph graph;
  std::vector<ValueId> pool;
  for (int i = 0; i < 2; ++i) {
    pool.push_back(graph.add_input("in" + std::to_string(i),
                                   {DType::kF32, Shape{1 + below(4), 8 * (1 + below(6))}}));
  }
  const int nodes = 3 + below(40);
  for (int i = 0; i < nodes; ++i) {
    const ValueId x = pool[static_cast<std::size_t>(below(static_cast<int>(pool.size())))];
    const Shape shape = graph.type(x).shape;
    NodeNeeds need;
    ValueId made = -1;
    switch (below(6)) {
      case 0:
        made = graph.add(Affine{1, 0}, {x});
        break;
      case 1:
        made = graph.add(Binary{}, {x, x});
        break;
      case 2:
        made = graph.add(Reshape{{shape.elements()}}, {x});
        made = shape.rank() == 1 ? graph.add(Reshape{{1, shape.elements()}}, {x}) : made;
        if (shape.rank() == 1) needs.emplace_back();
        break;
      case 3: {
        const std::int64_t out = 8 * (1 + below(4));
        const ValueId weight =
            graph.add_weight("w" + std::to_string(i), {DType::kF32, Shape{out, shape[-1]}});
        need.weight_bytes = {0, static_cast<std::uint64_t>(out * shape[-1] * 4)};
        made = graph.add(Linear{false, false}, {x, weight});
        break;
      }
      case 4: {
        const std::int64_t out = shape[-1];
        const ValueId weight =
            graph.add_weight("r" + std::to_string(i), {DType::kF32, Shape{out, shape[-1]}});
        need.weight_bytes = {0, static_cast<std::uint64_t>(out * shape[-1] * 4), 0};
        const ValueId other = graph.add(Affine{1, 0}, {x});
        needs.emplace_back();
        made = graph.add(Linear{false, true}, {x, weight, other});
        break;
      }
      default:
        made = graph.add(Concat{-1}, {x, x});
        break;
    }
    need.scratch_bytes = static_cast<std::uint64_t>(below(3) * 100);
    needs.push_back(need);
    pool.push_back(made);
  }
  graph.add_output("out", pool.back());
  if (below(2) == 0) graph.add_output("middle", pool[pool.size() / 2]);
  return graph;
}

TEST(Planner, RunsAChainInPlace) {
  const Graph graph = chain(5);
  const Plan plan = make_plan(graph, no_needs(graph), 0);
  EXPECT_EQ(plan.arena_bytes, 128U);  // the input keeps its place, all results share another
  check_plan(graph, no_needs(graph), plan);
}

TEST(Planner, ReusesADeadTensorsPlace) {
  Graph graph;
  ValueId value = graph.add_input("x", {DType::kF32, Shape{4, 16}});
  for (int i = 0; i < 4; ++i) value = graph.add(Transpose{{1, 0}}, {value});  // never in place
  graph.add_output("y", value);
  EXPECT_EQ(make_plan(graph, no_needs(graph), 0).arena_bytes, 3 * 256U);
}

TEST(Planner, KeepsTheSmallestWeightsResidentUpToTheLimit) {
  Graph graph;
  ValueId value = graph.add_input("x", {DType::kF32, Shape{1, 16}});
  std::vector<NodeNeeds> needs;
  for (int size : {64, 16, 32}) {
    const ValueId weight = graph.add_weight(
        "w" + std::to_string(size), {DType::kF32, Shape{size, graph.type(value).shape[-1]}});
    needs.push_back({0, {0, graph.type(weight).bytes()}});
    value = graph.add(Linear{false, false}, {value, weight});
  }
  graph.add_output("y", value);
  const Plan plan = make_plan(graph, needs, 4096 + 2048);
  EXPECT_FALSE(plan.weights[0].resident && plan.weights[1].resident);
  EXPECT_LE(plan.resident_bytes, 4096U + 2048U);
  EXPECT_TRUE(plan.weights[2].resident);
  check_plan(graph, needs, plan);
  EXPECT_EQ(make_plan(graph, needs, ~std::uint64_t{0}).resident_bytes,
            4 * (64 * 16 + 16 * 64 + 32 * 16));
}

TEST(Planner, RandomGraphsPassTheChecker) {
  std::mt19937 random(7);
  for (int i = 0; i < 500; ++i) {
    std::vector<NodeNeeds> needs;
    const Graph graph = random_graph(random, needs);
    const Plan plan = make_plan(graph, needs, random() % 20000);
    ASSERT_NO_THROW(check_plan(graph, needs, plan)) << i;
  }
}

TEST(Checker, FindsEveryMovedPlace) {
  // Any value of a packed plan moved onto another live one must be seen.
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::kF32, Shape{16}});
  const ValueId a = graph.add(Affine{1, 0}, {x});
  const ValueId b = graph.add(Affine{2, 0}, {x});
  graph.add_output("y", graph.add(Binary{}, {a, b}));
  const Plan good = make_plan(graph, no_needs(graph), 0);
  check_plan(graph, no_needs(graph), good);
  Plan bad = good;
  bad.values[static_cast<std::size_t>(b)].offset = good.values[static_cast<std::size_t>(a)].offset;
  EXPECT_THROW(check_plan(graph, no_needs(graph), bad), Error);
  bad = good;
  bad.values[static_cast<std::size_t>(a)].offset = good.values[static_cast<std::size_t>(x)].offset;
  EXPECT_THROW(check_plan(graph, no_needs(graph), bad), Error);
  bad = good;
  bad.arena_bytes -= 64;
  EXPECT_THROW(check_plan(graph, no_needs(graph), bad), Error);
}

}  // namespace
}  // namespace semblance
