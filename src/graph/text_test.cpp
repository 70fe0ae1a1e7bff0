#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "core/closest.h"
#include "graph/builder.h"
#include "graph/fields.h"
#include "tests/support/errors.h"
#include "tests/support/op_case.h"

namespace semblance {
namespace {

TEST(GraphText, PrintsAndParsesAGraph) {
  Graph graph;
  Scope scope(&graph, "");
  Value x = scope.input("sample", DType::kF32, {1, 8, 8, 4});
  Value weight = (scope / "conv_in").weight("weight", DType::kF32, {32, 4, 3, 3});
  Value bias = (scope / "conv_in").weight("bias", DType::kF32, {32});
  Value h = apply(Conv2d{.stride = {2, 2}, .pad = {1, 1, 1, 1}}, {x, weight, bias});
  h = apply(Affine{.scale = 0.13025F}, {unary(h, UnaryFn::kQuickGelu)});
  graph.add_output("out sample", reshape(h, {1, 16, 32}).id);
  const char* const text = R"(input %0 sample f32[1,8,8,4]
weight %1 conv_in.weight f32[32,4,3,3]
weight %2 conv_in.bias f32[32]
%3 = conv2d(%0, %1, %2) stride=[2,2] pad=[1,1,1,1] -> f32[1,4,4,32]
%4 = unary(%3) fn=quick_gelu -> f32[1,4,4,32]
%5 = affine(%4) scale=0.13025 -> f32[1,4,4,32]
%6 = reshape(%5) shape=[1,16,32] -> f32[1,16,32]
output "out sample" %6
)";
  EXPECT_EQ(to_string(graph), text);
  EXPECT_EQ(to_string(parse_graph(text)), text);
}

TEST(GraphText, WeightsCanBeRowsOfATensor) {
  const char* const text = R"(weight %0 a.weight f32[4,3]
weight %1 a.weight f32[4,3] rows=[0+2,8+2]
weight %2 "a b" f32[5] rows=[7+5]
)";
  const Graph graph = parse_graph(text);
  EXPECT_EQ(graph.values()[1].rows, (std::vector<RowRange>{{0, 2}, {8, 2}}));
  EXPECT_EQ(to_string(graph), text);
}

TEST(GraphText, SkipsCommentsAndBlankLinesAndInfersTypes) {
  EXPECT_EQ(to_string(parse_graph("# a graph\r\n\n  input  %0 x  f32[]\r\n%1=unary( %0 )fn=relu\n"
                                  "\t# with an end\noutput y %1")),
            "input %0 x f32[]\n%1 = unary(%0) fn=relu -> f32[]\noutput y %1\n");
  EXPECT_EQ(to_string(parse_graph("")), "");
}

TEST(GraphText, AnyNameRoundTrips) {
  for (const std::string& name :
       {std::string("a b"), std::string(""), std::string("\"\\"), std::string("caf\xc3\xa9"),
        std::string("line\nbreak\0", 11), std::string("#"), std::string("%1"), std::string("=,()"),
        std::string("\\x41")}) {
    Graph graph;
    const ValueId x = graph.add_input(name, {DType::kF32, {1}});
    graph.add_output(name, x);
    graph.add_weight(name, {DType::kBF16, {2}});
    const Graph read = parse_graph(to_string(graph));
    EXPECT_EQ(read.find_input(name), x) << name;
    EXPECT_EQ(read.find_output(name), x) << name;
    EXPECT_EQ(read.values()[1].name, name);
  }
}

TEST(GraphText, FloatsRoundTripExactly) {
  for (float value : {0.1F, 1e-5F, 1e-6F, -0.0F, 3.4028235e38F, 1.4e-45F, 1.0F / 3, 16777216.0F,
                      std::numeric_limits<float>::infinity()}) {
    Graph graph;
    graph.add(Affine{value, -value}, {graph.add_input("x", {DType::kF32, {1}})});
    const Graph read = parse_graph(to_string(graph));
    const Affine& op = std::get<Affine>(read.nodes()[0].op);
    EXPECT_EQ(std::bit_cast<std::uint32_t>(op.scale), std::bit_cast<std::uint32_t>(value));
    EXPECT_EQ(std::bit_cast<std::uint32_t>(op.shift), std::bit_cast<std::uint32_t>(-value));
  }
  Graph graph;
  graph.add(Affine{NAN, 0}, {graph.add_input("x", {DType::kF32, {1}})});
  EXPECT_TRUE(std::isnan(std::get<Affine>(parse_graph(to_string(graph)).nodes()[0].op).scale));
}

TEST(GraphText, ErrorsNameTheLine) {
  struct Refusal {
    const char* text;  // after two good lines
    const char* message;
  };
  const Refusal refusals[] = {
      {"%2 = unray(%0)", "line 3: unknown op 'unray', did you mean unary?"},
      {"%2 = quantise(%0)", "line 3: unknown op 'quantise'"},
      {"%2 = unary(%0) fm=gelu", "line 3: unary has no attribute 'fm', did you mean fn?"},
      {"%2 = unary(%0) wholly_else=gelu", "line 3: unary has no attribute 'wholly_else'"},
      {"%2 = unary(%0) fn=gleu",
       "line 3: expected one of silu, gelu, quick_gelu, sigmoid, relu, tanh, got 'gleu', did you "
       "mean gelu?"},
      {"%2 = unary(%0) fn=gelu fn=relu", "line 3: attribute 'fn' is given twice"},
      {"%2 = unary(%0) fn", "line 3: expected '=' before the end of the line"},
      {"%2 = unary(%0) fn=", "line 3: expected a word before the end of the line"},
      {"%2 = affine(%0) scale=1.0x", "line 3: expected a number, got '1.0x'"},
      {"%2 = affine(%0) scale=1e99", "line 3: expected a number, got '1e99'"},
      {"%2 = group_norm(%0, %1, %1) groups=1.5", "line 3: expected a whole number, got '1.5'"},
      {"%2 = group_norm(%0, %1, %1) groups=99999999999999999999",
       "line 3: expected a whole number, got '99999999999999999999'"},
      {"%2 = group_norm(%0, %1, %1) silu=1", "line 3: expected true or false, got '1'"},
      {"%2 = conv2d(%0, %1) pad=[1,1]", "line 3: pad needs 4 numbers, got 2 in '[1,1]'"},
      {"%2 = conv2d(%0, %1) pad=1", "line 3: expected a list like [1,2], got '1'"},
      {"%2 = reshape(%0) shape=[1,]", "line 3: a list must not end in a comma"},
      {"%2 = reshape(%0) shape=[1,,2]", "line 3: expected a whole number, got ''"},
      {"%2 = unary(%2)", "line 3: %2 is not declared above"},
      {"%2 = unary(%9)", "line 3: %9 is not declared above"},
      {"%2 = unary(%x)", "line 3: expected a value such as %3, got '%x'"},
      {"%2 = unary(%-1)", "line 3: expected a value such as %3, got '%-1'"},
      {"%2 = unary(0)", "line 3: expected '%' before '0)'"},
      {"%2 = unary(%0", "line 3: expected ',' before the end of the line"},
      {"%2 = unary %0", "line 3: expected '(' before '%0'"},
      {"%3 = unary(%0)", "line 3: the next value is %2, got %3"},
      {"%2 = unary(%0) -> f32[4]", "line 3: the result is declared as f32[4], but is f32[2,3]"},
      {"%2 = unary(%0) ->", "line 3: expected a word before the end of the line"},
      {"%2 = unary(%0) -> f32[2,3] more", "line 3: expected the end of the line, got 'more'"},
      {"%2 = geglu(%0)", "line 3: geglu: needs x with an even number of channels, got f32[2,3]"},
      {"input %2 x f32[1]", "line 3: 'x' is declared twice"},
      {"weight %2 w f32[3]", "line 3: 'w' is declared twice"},
      {"weight %2 v f33[3]", "line 3: expected a type like f32[1,8,8,4], got 'f33[3]'"},
      {"weight %2 v f32", "line 3: expected a type like f32[1,8,8,4], got 'f32'"},
      {"weight %2 v f32[2", "line 3: expected a type like f32[1,8,8,4], got 'f32[2'"},
      {"weight %2 v f32[-1]", "a tensor's size cannot be negative, got -1"},
      {"weight %2 v f32[1,1,1,1,1,1,1]", "a tensor has at most 6 axes, this one has 7"},
      {"weight %2 v f32[281474976710656,2]", "a tensor has at most 2^48 elements"},
      {"weight %2 v f32[0,281474976710656,2]", "a tensor has at most 2^48 elements"},
      {"weight %2 v f32[2] rows=[]", "line 3: expected row ranges like [0+640,5120+640], got '[]'"},
      {"weight %2 v f32[2] rows=[0+2", "expected row ranges like [0+640,5120+640], got '[0+2'"},
      {"weight %2 v f32[2] rows=[0+2]x", "expected row ranges like [0+640,5120+640], got '[0+2]x'"},
      {"weight %2 v f32[2] rows=[0+1,1]",
       "expected row ranges like [0+640,5120+640], got '[0+1,1]'"},
      {"weight %2 v f32[2] rows=[0+99999999999999999999]", "expected row ranges like"},
      {"weight %2 v f32[2] rows=", "line 3: expected a word before the end of the line"},
      {"weight %2 v f32[2] rows=[0+1]",
       "line 3: weight v: row ranges must add up to the 2 rows of f32[2]"},
      {"weight %2 v f32[] rows=[0+1]", "must add up to the 0 rows of f32[]"},
      {"weight %2 v f32[2] rows=[0+2]\nweight %3 v f32[2] rows=[0+2]",
       "line 4: 'v' is declared twice"},
      {"input %2 v f32[2] rows=[0+2]", "line 3: expected the end of the line, got 'rows=[0+2]'"},
      {"weight %2 v", "line 3: expected a word before the end of the line"},
      {"weight %2 \"v f32[1]", "line 3: a quoted name has no closing quote"},
      {"weight %2 \"v\\n\" f32[1]",
       "line 3: a backslash in a name must be followed by \", \\ or xNN"},
      {"weight %2 \"\\xg0\" f32[1]", "line 3: a backslash in a name must be followed by"},
      {"output y %2", "line 3: %2 is not declared above"},
      {"output y %1\noutput y %0", "line 4: output 'y' is declared twice"},
      {"hello", "line 3: expected '%' before 'hello'"},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.text);
    const std::string message = testing::expect_error(ErrorKind::kCorrupt, refusal.message, [&] {
      parse_graph(std::string("input %0 x f32[2,3]\nweight %1 w f32[3]\n") + refusal.text + "\n");
    });
    EXPECT_TRUE(message.starts_with("corrupt: cannot read graph: line ")) << message;
  }
}

/// Gives float attributes random bits; shapes do not depend on them.
struct RandomFloats {
  std::mt19937* random;
  void operator()(std::string_view, float& value) {
    do {
      value = std::bit_cast<float>(static_cast<std::uint32_t>((*random)()));
    } while (std::isnan(value));
  }
  template <typename... T>
  void operator()(std::string_view, T&&...) {}
};

TEST(GraphText, RandomGraphsOfAllOpsRoundTrip) {
  std::vector<Graph> ops;
  for (std::string_view op : op_names()) {
    for (const std::string& line : testing::read_case_lines(testing::shapes_path(op)))
      ops.push_back(testing::graph_of_case(line));
  }
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    Graph graph;
    for (int count = 0; count < 40; ++count) {
      const Graph& one = ops[random() % ops.size()];
      Op op = one.nodes()[0].op;
      std::visit([&](auto& o) { o.fields(RandomFloats{&random}); }, op);
      std::vector<ValueId> src;
      for (const TensorType& type : one.src_types(one.nodes()[0])) {
        // An existing value of that type if there is one, at random.
        ValueId value = -1;
        for (std::size_t i = 0; i < graph.values().size(); ++i) {
          if (graph.values()[i].type == type && random() % 2 == 0) value = static_cast<ValueId>(i);
        }
        const std::string name = fmt::format("name {}", graph.values().size());
        if (value < 0)
          value = random() % 2 == 0 ? graph.add_input(name, type) : graph.add_weight(name, type);
        src.push_back(value);
      }
      const ValueId dst = graph.add(std::move(op), std::move(src));
      if (random() % 4 == 0) graph.add_output(fmt::format("out{}", dst), dst);
    }
    const std::string text = to_string(graph);
    EXPECT_EQ(to_string(parse_graph(text)), text);
  }
}

TEST(Closest, SuggestsASimilarWordOrNone) {
  const std::string_view words[] = {"conv2d", "linear", "group_norm", "pool"};
  EXPECT_EQ(closest("conv2", words), "conv2d");
  EXPECT_EQ(closest("groupnorm", words), "group_norm");
  EXPECT_EQ(closest("lienar", words), "linear");
  EXPECT_EQ(closest("xyzzy", words), "");
  EXPECT_EQ(closest("", words), "");
  EXPECT_EQ(closest(std::string(1000, 'a'), words), "");
  EXPECT_EQ(did_you_mean("pol", words), ", did you mean pool?");
}

}  // namespace
}  // namespace semblance
