// What lowering decides for small graphs in text.
#include "planner/choices.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/integers.h"

namespace semblance {
namespace {

// Two pictures through three convolutions with activations in between. One picture of the first
// result is 64 x 64 x 16 numbers: 256 KiB.
constexpr const char* kConvolutions =
    "input %0 x f32[2,64,64,16]\n"
    "weight %1 a f32[16,16,3,3]\n"
    "%2 = conv2d(%0, %1) pad=[1,1,1,1] has_bias=false\n"
    "%3 = unary(%2) fn=silu\n"
    "weight %4 b f32[128,16,3,3]\n"
    "%5 = conv2d(%3, %4) pad=[1,1,1,1] has_bias=false\n"
    "%6 = unary(%5) fn=silu\n"
    "weight %7 c f32[4,128,3,3]\n"
    "%8 = conv2d(%6, %7) pad=[1,1,1,1] has_bias=false\n"
    "output y %8\n";
constexpr std::uint64_t kKiB = 1024;

WeightFacts small_weights(const Graph&, const Node&) { return {16 * kKiB, true}; }

std::vector<ValueChoice> choices_of(const Graph& graph, const LowerRules& rules) {
  return choose(graph, GraphLinks(graph), rules, small_weights);
}

TEST(Choices, KeepsHeavyResultsAndRecomputesCheapOnes) {
  const Graph graph = parse_graph(kConvolutions);
  const auto choices = choices_of(graph, {});
  for (const Node& node : graph.nodes()) {
    const ValueChoice& choice = choices[at(node.dst)];
    const bool is_activation = std::holds_alternative<Unary>(node.op);
    EXPECT_EQ(choice.kept, is_activation || node.dst == graph.outputs()[0].second) << node.dst;
    EXPECT_FALSE(choice.in_file || choice.split);
    EXPECT_EQ(choice.band, 0);
    EXPECT_EQ(choice.chunks, 1);
  }
}

TEST(Choices, CutsWhatHoldsTooMuch) {
  const Graph graph = parse_graph(kConvolutions);
  LowerRules rules;
  rules.slice_bytes = 128 * kKiB;
  rules.batch_bytes = 128 * kKiB;
  rules.file_bytes = 1024 * kKiB;  // one picture of the second result has 2 MiB
  rules.weight_bytes = 8 * kKiB;
  const auto choices = choices_of(graph, rules);
  const auto named = [&](std::size_t conv) {
    std::vector<const Node*> convs;
    for (const Node& node : graph.nodes()) {
      if (std::holds_alternative<Conv2d>(node.op)) convs.push_back(&node);
    }
    return convs.at(conv)->dst;
  };
  const ValueId second = named(1) + 1;  // the activation fused after it
  EXPECT_TRUE(choices[at(second)].in_file);
  EXPECT_TRUE(choices[at(second)].split);
  EXPECT_GT(choices[at(second)].band, 0);
  EXPECT_EQ(choices[at(second)].band % 64, 0) << "bands are whole rows";
  EXPECT_EQ(choices[at(named(1))].chunks, 2);
  EXPECT_EQ(choices[at(named(2))].chunks, 1) << "4 channels are fewer than a step";
  const std::string text = to_string(graph, choices);
  EXPECT_NE(text.find("picture by picture, in "), std::string::npos) << text;
  EXPECT_NE(text.find("in the scratch file"), std::string::npos) << text;
}

}  // namespace
}  // namespace semblance
