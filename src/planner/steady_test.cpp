// Plans in which results stay from run to run.
#include <gtest/gtest.h>

#include "planner/check_plan.h"
#include "planner/make_plan.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

using testing::error_of;

/// text -> linear -> added to x -> linear, as "y".
struct TextAddedToX {
  Lowered lowered;
  std::vector<NodeNeeds> needs;

  TextAddedToX() {
    Graph& graph = lowered.graph;
    const auto f32 = [](const Shape& shape) { return TensorType{DType::kF32, shape}; };
    const ValueId x = graph.add_input("x", f32({1, 4, 16}));
    const ValueId text = graph.add_input("text", f32({1, 4, 16}));
    const ValueId w = graph.add_weight("w", f32({16, 16})),
                  v = graph.add_weight("v", f32({16, 16}));
    const ValueId made = graph.add(Linear{false, false}, {text, w});
    const ValueId sum = graph.add(Binary{}, {made, x});
    graph.add_output("y", graph.add(Linear{false, false}, {sum, v}));
    NodeNeeds linear;
    linear.src = {{}, {.packed_bytes = 1024, .raw_bytes = 1024, .layout = 1}};
    needs = {linear, {}, linear};
    lowered.epoch = {0, 1, 2};
  }

  Plan plan() const { return make_plan(lowered, needs, {.steady_inputs = {"text"}}); }
  std::string error(const Plan& plan, const std::vector<std::string>& steady = {"text"}) const {
    return error_of([&] { check_plan(lowered.graph, needs, plan, steady); });
  }
};

TEST(SteadyPlan, KeepsWhatPays) {
  const TextAddedToX graph;
  const Plan plan = graph.plan();
  EXPECT_EQ(plan.runs_once, (std::vector<bool>{true, false, false}));
  EXPECT_EQ(plan.weights[0].keep, Keep::kOnce);
  EXPECT_EQ(plan.weights[1].keep, Keep::kStreamed);
  EXPECT_EQ(graph.error(plan), "no error");
  TextAddedToX light;  // a result of 256 bytes from a weight of 128
  light.needs[0].src[1].packed_bytes = light.needs[0].src[1].raw_bytes = 128;
  EXPECT_EQ(light.plan().runs_once, (std::vector<bool>{false, false, false}));
  EXPECT_EQ(make_plan(graph.lowered, graph.needs, {}).runs_once,
            (std::vector<bool>{false, false, false}));
}

TEST(SteadyPlan, CheckFindsWhatChangesOrIsOverwritten) {
  const TextAddedToX graph;
  EXPECT_NE(graph.error(graph.plan(), {}).find("its sources change from run to run"),
            std::string::npos);
  Plan early = graph.plan();
  early.runs_once[1] = true;
  EXPECT_NE(graph.error(early).find("its sources change from run to run"), std::string::npos);
  Plan once = graph.plan();
  once.weights[1].keep = Keep::kOnce;
  EXPECT_NE(graph.error(once).find("for a node that runs more often"), std::string::npos);
  // The second run finds the sum in the place of the text's result.
  Plan overwritten = graph.plan();
  overwritten.values[5] = overwritten.values[4];
  EXPECT_NE(graph.error(overwritten), "no error");
  Plan missing = graph.plan();
  missing.runs_once.pop_back();
  EXPECT_NE(graph.error(missing), "no error");
}

}  // namespace
}  // namespace semblance
