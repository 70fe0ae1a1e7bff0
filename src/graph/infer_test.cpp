// Every op's shape rule: result types and errors.
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "graph/fields.h"
#include "tests/support/errors.h"
#include "tests/support/op_case.h"

namespace semblance {
namespace {

using testing::graph_of_case;

TEST(Infer, ReturnsTheResultType) {
  // parse_graph() checks declared types against the rule, so parsing a case tests it.
  const char* const cases[] = {
      "conv2d f32[2,9,7,32] w:f32[64,32,3,3] w:f32[64] -> f32[2,7,5,64]",
      "conv2d f32[2,9,7,32] w:f32[64,32,3,3] w:f32[64] pad=[1,1,1,1] -> f32[2,9,7,64]",
      "conv2d f32[2,9,7,32] w:f32[64,32,3,3] w:f32[64] stride=[2,2] pad=[1,1,1,1] -> "
      "f32[2,5,4,64]",
      "conv2d f32[1,8,8,4] w:f32[6,4,3,5] has_bias=false pad=[0,1,2,3] -> f32[1,8,8,6]",
      "conv2d f32[1,9,9,4] w:f32[4,4,3,3] has_bias=false dilation=[2,3] -> f32[1,5,3,4]",
      "conv2d f32[1,5,5,6] w:f32[9,2,1,1] w:f32[9] groups=3 -> f32[1,5,5,9]",
      "conv2d bf16[1,3,3,2] w:bf16[5,2,1,1] w:f32[5] bf16[1,3,3,5] has_residual=true -> "
      "bf16[1,3,3,5]",
      "conv2d f32[0,3,3,2] w:f32[5,2,1,1] w:f32[5] -> f32[0,3,3,5]",
      "linear f32[2,3,5] w:f32[7,5] w:f32[7] -> f32[2,3,7]",
      "linear f32[5] w:f32[7,5] f32[7] has_bias=false has_residual=true -> f32[7]",
      "attention f32[2,5,12] f32[2,7,12] f32[2,7,15] heads=3 -> f32[2,5,15]",
      "attention bf16[2,5,12] bf16[2,5,12] bf16[2,5,12] causal=true -> bf16[2,5,12]",
      "group_norm f32[2,3,4,64] w:f32[64] w:f32[64] -> f32[2,3,4,64]",
      "group_moments bf16[2,5,4,64] chunk_pixels=8 -> f64[2,3,32,3]",
      "group_moments f32[2,64] groups=4 -> f64[2,1,4,3]",
      "group_scale bf16[2,3,4,64] f64[2,7,32,3] w:f32[64] w:f32[64] silu=true -> bf16[2,3,4,64]",
      "layer_norm f32[2,3,5] w:f32[5] w:f32[5] -> f32[2,3,5]",
      "batch_norm f32[2,5] w:f32[5] w:f32[5] w:f32[5] w:f32[5] -> f32[2,5]",
      "unary bf16[2,3] fn=gelu -> bf16[2,3]",
      "binary f32[4,1,3] f32[2,1] fn=mul -> f32[4,2,3]",
      "binary bf16[] f32[2,3] -> bf16[2,3]",
      "affine f32[2,3] scale=2 -> f32[2,3]",
      "prelu f32[2,3] w:f32[3] -> f32[2,3]",
      "prelu f32[2,3] w:f32[1] -> f32[2,3]",
      "geglu f32[2,6] -> f32[2,3]",
      "concat f32[2,3] f32[2,4] -> f32[2,7]",
      "concat i32[2,3] i32[1,3] i32[4,3] axis=0 -> i32[7,3]",
      "slice i64[5,7] axis=1 begin=1 end=7 step=2 -> i64[5,3]",
      "slice f32[5,7] axis=-2 begin=4 end=4 -> f32[0,7]",
      "slice f32[5,7] end=5 step=9223372036854775807 -> f32[1,7]",
      "paste i32[2,3,8] i32[2,3,5] begin=3 -> i32[2,3,8]",
      "blank dtype=bf16 shape=[2,3] -> bf16[2,3]",
      "spill f32[2,3] -> f32[2,3]",
      "fetch u8[2,3] -> u8[2,3]",
      "reshape f32[2,6] shape=[3,4] -> f32[3,4]",
      "reshape f32[1,1] -> f32[]",
      "transpose u8[2,3,5] perm=[2,0,1] -> u8[5,2,3]",
      "upsample f32[1,5,7,3] height=9 width=13 -> f32[1,9,13,3]",
      "scale_low_frequencies bf16[2,5,7,3] scale=0.9 -> bf16[2,5,7,3]",
      "pool f32[1,15,14,3] kernel=[3,3] stride=[2,2] pad=[1,1,1,1] -> f32[1,8,7,3]",
      "pool f32[1,11,10,3] kernel=[2,2] stride=[2,2] -> f32[1,5,5,3]",
      "pool f32[1,11,10,3] kernel=[2,2] stride=[2,2] ceil=true -> f32[1,6,5,3]",
      // The last window would begin in the padding, so it is dropped.
      "pool f32[1,5,5,3] kernel=[2,2] stride=[3,3] pad=[1,1,1,1] ceil=true -> f32[1,2,2,3]",
      "pool f32[1,4,4,3] kernel=[1,1] stride=[3,3] ceil=true -> f32[1,2,2,3]",
      "embedding i32[2,7] w:bf16[100,8] -> bf16[2,7,8]",
      "take_row f32[2,7,8] i32[2] -> f32[2,8]",
      "sinusoid f32[6] dim=256 -> f32[6,256]",
      "convert f32[2,3] dtype=bf16 -> bf16[2,3]",
  };
  std::set<std::string_view> covered;
  for (const char* line : cases) {
    try {
      covered.insert(name_of(graph_of_case(line).nodes().at(0).op));
    } catch (const Error& error) {
      ADD_FAILURE() << line << "\n" << error.what();
    }
  }
  for (std::string_view op : op_names()) EXPECT_TRUE(covered.contains(op)) << op;
}

TEST(Infer, RejectsInvalidSources) {
  struct Refusal {
    const char* line;
    const char* rule;
  };
  const Refusal refusals[] = {
      {"conv2d f32[1,4,4,3] w:f32[5,3,1,1]", "needs x, weight, then bias and residual"},
      {"conv2d f32[1,4,4,3] w:f32[5,3,1,1] w:f32[5] has_bias=false", "as its flags declare"},
      {"conv2d f32[1,4,3] w:f32[5,3,1,1] w:f32[5]", "x must be [n,h,w,c] and weight [o,c,kh,kw]"},
      {"conv2d f32[1,4,4,3] w:f32[5,3] w:f32[5]", "x must be [n,h,w,c] and weight [o,c,kh,kw]"},
      {"conv2d f32[1,4,4,3] w:f32[5,2,1,1] w:f32[5]",
       "x's channels must be the weight's times groups"},
      {"conv2d f32[1,4,4,4] w:f32[5,2,1,1] w:f32[5] groups=2",
       "x's channels must be the weight's times groups"},
      {"conv2d f32[1,4,4,3] w:f32[5,3,1,1] w:f32[5] groups=0", "groups must be positive"},
      {"conv2d f32[1,4,4,3] w:f32[5,3,1,1] w:f32[5] stride=[0,1]", "strides and dilations"},
      {"conv2d f32[1,4,4,3] w:f32[5,3,1,1] w:f32[5] dilation=[1,-1]", "strides and dilations"},
      {"conv2d f32[1,4,4,3] w:f32[5,3,1,1] w:f32[5] dilation=[9223372036854775807,1]",
       "strides and dilations"},
      {"conv2d f32[1,4,4,3] w:f32[5,3,1,1] w:f32[5] pad=[0,0,-1,0]", "pads must be 0 to 2^20"},
      {"conv2d f32[1,4,4,3] w:f32[5,3,1,1] w:f32[5] pad=[0,9223372036854775807,0,0]",
       "pads must be 0 to 2^20"},
      {"conv2d f32[1,4,4,3] w:f32[5,3,1,1] w:f32[4]", "bias must be [o]"},
      {"conv2d f32[1,4,4,3] w:f32[5,3,5,1] w:f32[5]",
       "the padded picture must be at least as large as the kernel"},
      {"conv2d f32[1,4,4,3] w:f32[5,3,0,1] w:f32[5]",
       "the padded picture must be at least as large as the kernel"},
      {"conv2d f32[1,4,4,3] w:f32[5,3,1,1] w:f32[5] f32[1,4,4,3] has_residual=true",
       "the residual must have the result's type"},
      {"conv2d f32[1,4,4,3] w:f32[5,3,1,1] w:f32[5] bf16[1,4,4,5] has_residual=true",
       "the residual must have the result's type"},
      {"linear f32[2,3] w:f32[4,3]", "needs x, weight, then bias and residual"},
      {"linear f32[2,3] w:f32[4,5] w:f32[4]", "x must be [...,k] and weight [o,k]"},
      {"linear f32[] w:f32[4,5] w:f32[4]", "x must be [...,k] and weight [o,k]"},
      {"linear f32[2,3] w:f32[4,3,1] w:f32[4]", "x must be [...,k] and weight [o,k]"},
      {"linear f32[2,3] w:f32[4,3] w:f32[3]", "bias must be [o]"},
      {"linear f32[2,3] w:f32[4,3] f32[2,3] has_bias=false has_residual=true",
       "the residual must have the result's type"},
      {"attention f32[1,2,4] f32[1,2,4]", "needs q, k, v"},
      {"attention f32[2,4] f32[2,4] f32[2,4]", "q, k and v must be [n,l,c]"},
      {"attention f32[1,2,4] f32[2,2,4] f32[2,2,4]",
       "q, k and v must agree in pictures, keys and channels"},
      {"attention f32[1,2,4] f32[1,3,4] f32[1,2,4]",
       "q, k and v must agree in pictures, keys and channels"},
      {"attention f32[1,2,4] f32[1,3,5] f32[1,3,4]",
       "q, k and v must agree in pictures, keys and channels"},
      {"attention f32[1,2,4] f32[1,0,4] f32[1,0,4]",
       "q, k and v must agree in pictures, keys and channels"},
      {"attention f32[1,2,4] f32[1,3,4] f32[1,3,4] heads=3", "heads must divide the channels"},
      {"attention f32[1,2,4] f32[1,3,4] f32[1,3,3] heads=2", "heads must divide the channels"},
      {"attention f32[1,2,4] f32[1,3,4] f32[1,3,4] heads=0", "heads must divide the channels"},
      {"attention f32[1,2,4] f32[1,3,4] f32[1,3,4] causal=true",
       "causal needs as many queries as keys"},
      {"group_norm f32[1,64] w:f32[64]", "needs x, weight, bias"},
      {"group_norm f32[1,48] w:f32[48] w:f32[48]", "groups must divide x's channels"},
      {"group_norm f32[64] w:f32[64] w:f32[64]", "groups must divide x's channels"},
      {"group_norm f32[1,64] w:f32[64] w:f32[64] groups=0", "groups must divide x's channels"},
      {"group_norm f32[1,64] w:f32[64] w:f32[32]", "weight and bias must be [c]"},
      {"group_moments", "needs x"},
      {"group_moments f32[1,48]", "groups must divide x's channels"},
      {"group_moments f32[64]", "groups must divide x's channels"},
      {"group_moments f32[1,64] groups=0", "groups must divide x's channels"},
      {"group_moments f32[1,64] chunk_pixels=0", "chunk_pixels must be positive"},
      {"group_scale f32[1,64] f64[1,1,32,3] w:f32[64]", "needs x, moments, weight, bias"},
      {"group_scale f32[1,48] f64[1,1,32,3] w:f32[48] w:f32[48]",
       "groups must divide x's channels"},
      {"group_scale f32[1,64] f32[1,1,32,3] w:f32[64] w:f32[64]",
       "moments must be f64 [n,chunks,groups,3]"},
      {"group_scale f32[1,64] f64[2,1,32,3] w:f32[64] w:f32[64]",
       "moments must be f64 [n,chunks,groups,3]"},
      {"group_scale f32[1,64] f64[1,0,32,3] w:f32[64] w:f32[64]",
       "moments must be f64 [n,chunks,groups,3]"},
      {"group_scale f32[1,64] f64[1,1,16,3] w:f32[64] w:f32[64]",
       "moments must be f64 [n,chunks,groups,3]"},
      {"group_scale f32[1,64] f64[1,32,3] w:f32[64] w:f32[64]",
       "moments must be f64 [n,chunks,groups,3]"},
      {"group_scale f32[1,64] f64[1,1,32,3] w:f32[64] w:f32[32]", "weight and bias must be [c]"},
      {"layer_norm f32[1,64] w:f32[64]", "needs x, weight, bias"},
      {"layer_norm f32[1,64] w:f32[63] w:f32[64]", "weight and bias must be [c]"},
      {"layer_norm f32[] w:f32[] w:f32[]", "weight and bias must be [c]"},
      {"batch_norm f32[1,4] w:f32[4] w:f32[4]", "needs x, weight, bias, mean, var"},
      {"batch_norm f32[] w:f32[4] w:f32[4] w:f32[4] w:f32[4]", "x must have channels"},
      {"batch_norm f32[1,4] w:f32[4] w:f32[4] w:f32[4] w:f32[3]",
       "weight, bias, mean and var must be [c]"},
      {"unary", "needs x, got nothing"},
      {"binary f32[2]", "needs two sources"},
      {"binary f32[2] f32[3]", "aligned from the last axis, sizes must be equal or 1"},
      {"binary f32[2,3] f32[2,1,1,2]", "aligned from the last axis, sizes must be equal or 1"},
      {"affine f32[2] f32[2]", "needs x"},
      {"prelu f32[2]", "needs x, slope"},
      {"prelu f32[2,3] w:f32[2]", "slope must be [c] or [1]"},
      {"geglu f32[2,5]", "needs x with an even number of channels"},
      {"geglu f32[]", "needs x with an even number of channels"},
      {"concat", "needs at least one source"},
      {"concat f32[2,3] f32[2,3] axis=2", "the axis must exist"},
      {"concat f32[2,3] f32[2,3] axis=-3", "the axis must exist"},
      {"concat f32[2,3] f32[3,3]", "sources may differ along the axis only"},
      {"concat f32[2,3] f32[2,3,1]", "sources may differ along the axis only"},
      {"concat f32[2,3] bf16[2,3]", "sources may differ along the axis only"},
      {"slice f32[2,3] f32[2,3]", "needs x"},
      {"slice f32[2,3] axis=2", "the axis must exist"},
      {"slice f32[] axis=0", "the axis must exist"},
      {"slice f32[2,3] begin=-1 end=1", "the range must be inside the axis"},
      {"slice f32[2,3] begin=2 end=1", "the range must be inside the axis"},
      {"slice f32[2,3] end=3", "the range must be inside the axis"},
      {"slice f32[2,3] end=1 step=0", "the range must be inside the axis"},
      {"paste f32[2,3]", "needs y, part"},
      {"paste f32[2,3] bf16[2,1]", "y and part may differ in their channels only"},
      {"paste f32[2,3] f32[3,1]", "y and part may differ in their channels only"},
      {"paste f32[2,3] f32[2,1,1]", "y and part may differ in their channels only"},
      {"paste f32[] f32[]", "y and part may differ in their channels only"},
      {"paste f32[2,3] f32[2,2] begin=2", "the range must be inside the axis"},
      {"paste f32[2,3] f32[2,2] begin=-1", "the range must be inside the axis"},
      {"paste f32[2,3] f32[2,0] begin=4", "the range must be inside the axis"},
      {"blank f32[2]", "has no sources"},
      {"blank shape=[-1,2]", "cannot be negative"},
      {"spill", "needs x"},
      {"fetch f32[2] f32[2]", "needs x"},
      {"reshape f32[2] f32[2] shape=[2]", "needs x"},
      {"reshape f32[2,3] shape=[5]", "must keep the number of elements"},
      {"reshape f32[2,3] shape=[-2,-3]", "cannot be negative"},
      {"reshape f32[2,3] shape=[1,1,1,1,1,6,1]", "at most 6 axes"},
      {"transpose", "needs x"},
      {"transpose f32[2,3] perm=[0]", "perm must name every axis once"},
      {"transpose f32[2,3] perm=[0,0]", "perm must name every axis once"},
      {"transpose f32[2,3] perm=[0,2]", "perm must name every axis once"},
      {"transpose f32[2,3] perm=[-1,0]", "perm must name every axis once"},
      {"upsample f32[2,3,4] height=4 width=4", "needs x [n,h,w,c]"},
      {"scale_low_frequencies f32[2,3,4]", "needs x [n,h,w,c]"},
      {"upsample f32[1,2,2,3] height=4", "sizes must be positive"},
      {"upsample f32[1,0,2,3] height=4 width=4", "sizes must be positive"},
      {"upsample f32[1,2,2,3] height=4611686018427387904 width=4", "at most 2^48 elements"},
      {"pool f32[2,3,4]", "needs x [n,h,w,c]"},
      {"pool f32[1,2,2,3] kernel=[0,1]", "kernel and stride must be 1 to 2^20"},
      {"pool f32[1,2,2,3] stride=[1,0]", "kernel and stride must be 1 to 2^20"},
      {"pool f32[1,2,2,3] kernel=[2,2] pad=[2,0,0,0]", "padding must be smaller than the kernel"},
      {"pool f32[1,2,2,3] kernel=[2,2] pad=[0,0,0,-1]", "padding must be smaller than the kernel"},
      {"pool f32[1,2,2,3] kernel=[3,1]",
       "the padded picture must be at least as large as the kernel"},
      {"embedding i32[1,2]", "needs ids, table"},
      {"embedding f32[1,2] w:f32[5,4]", "ids must be i32 [n,l] and the table [v,c]"},
      {"embedding i32[2] w:f32[5,4]", "ids must be i32 [n,l] and the table [v,c]"},
      {"embedding i32[1,2] w:f32[5]", "ids must be i32 [n,l] and the table [v,c]"},
      {"take_row f32[2,3] i32[2]", "needs x [n,l,c] and rows"},
      {"take_row f32[2,3,4] i32[3]", "rows must be i32 [n]"},
      {"take_row f32[2,3,4] i64[2]", "rows must be i32 [n]"},
      {"take_row f32[2,0,4] i32[2]", "rows must be i32 [n]"},
      {"sinusoid i32[2]", "needs x f32 [n]"},
      {"sinusoid f32[2,1]", "needs x f32 [n]"},
      {"sinusoid f32[2] dim=7", "dim must be positive and even"},
      {"sinusoid f32[2] dim=0", "dim must be positive and even"},
      {"convert i32[2]", "needs x of a float type"},
      {"convert", "needs x of a float type"},
  };
  std::set<std::string> covered;
  for (const Refusal& refusal : refusals) {
    const std::string line = refusal.line;
    covered.insert(line.substr(0, line.find(' ')));
    SCOPED_TRACE(line);
    testing::expect_error(ErrorKind::kCorrupt, refusal.rule, [&] { graph_of_case(line); });
  }
  for (std::string_view op : op_names()) EXPECT_TRUE(covered.contains(std::string(op))) << op;
}

TEST(Infer, ErrorsNameTheOpAndItsSources) {
  Graph graph;
  const ValueId a = graph.add_input("a", {DType::kF32, {2}});
  const ValueId b = graph.add_input("b", {DType::kF32, {3}});
  EXPECT_EQ(
      testing::error_of([&] {
        graph.add(Binary{}, {a, b});
      }),
      "shape: binary: aligned from the last axis, sizes must be equal or 1, got f32[2], f32[3]");
}

TEST(Graph, AddingAWeightTwiceReturnsTheSameValue) {
  Graph graph;
  const ValueId first = graph.add_weight("a.weight", {DType::kF32, {2, 3}});
  EXPECT_EQ(graph.add_weight("a.weight", {DType::kF32, {2, 3}}), first);
  EXPECT_EQ(testing::error_of([&] {
              graph.add_weight("a.weight", {DType::kF32, {3, 2}});
            }),
            "shape: weight a.weight is used as both f32[2,3] and f32[3,2]");
}

TEST(Graph, WeightsOfDifferentRowsAreDistinct) {
  Graph graph;
  const TensorType type{DType::kF32, {4, 3}};
  const ValueId whole = graph.add_weight("a.weight", type);
  const ValueId ends = graph.add_weight("a.weight", type, {{0, 2}, {8, 2}});
  EXPECT_NE(ends, whole);
  EXPECT_NE(graph.add_weight("a.weight", type, {{0, 4}}), ends);
  EXPECT_EQ(graph.add_weight("a.weight", type, {{0, 2}, {8, 2}}), ends);
  EXPECT_EQ(graph.add_weight("a.weight", type), whole);
  const std::vector<RowRange> wrong[] = {
      {{0, 3}},         {{0, 2}, {8, 3}},  {{-1, 4}},
      {{0, 0}, {0, 4}}, {{0, -1}, {0, 5}}, {{std::numeric_limits<std::int64_t>::max(), 4}},
      {{0, 4}, {0, 4}},
  };
  for (const std::vector<RowRange>& rows : wrong) {
    EXPECT_EQ(testing::error_of([&] { graph.add_weight("a.weight", type, rows); }),
              "shape: weight a.weight: row ranges must add up to the 4 rows of f32[4,3]");
  }
}

TEST(GroupChunks, AreWholeRowsOfPictures) {
  EXPECT_EQ(group_chunk_pixels({2, 128, 128, 320}), 128);     // a row
  EXPECT_EQ(group_chunk_pixels({1, 1024, 1024, 128}), 4096);  // 4 rows
  EXPECT_EQ(group_chunk_pixels({1, 256, 100, 8}), 200);       // 2 rows
  EXPECT_EQ(group_chunk_pixels({1, 8, 8, 8}), 128);           // more than the picture has
  EXPECT_EQ(group_chunk_pixels({1, 5, 300, 8}), 300);
  EXPECT_EQ(group_chunk_pixels({1, 0, 0, 8}), 128);
  EXPECT_EQ(group_chunk_pixels({2, 77, 64}), 128);  // a sequence
  EXPECT_EQ(group_chunk_pixels({2, 65537, 64}), 288);
  EXPECT_EQ(group_chunk_pixels({2, 64}), 128);
}

TEST(Graph, CountsOperations) {
  EXPECT_EQ(graph_of_case("linear f32[2,3] w:f32[5,3] w:f32[5]").cost(), 2.0 * 2 * 5 * 3);
  EXPECT_EQ(graph_of_case("conv2d f32[1,4,4,3] w:f32[5,3,3,3] w:f32[5] pad=[1,1,1,1]").cost(),
            2.0 * 16 * 5 * 27);
  EXPECT_EQ(graph_of_case("attention f32[1,7,8] f32[1,9,8] f32[1,9,8] heads=2").cost(),
            2.0 * 7 * 9 * 16);
}

}  // namespace
}  // namespace semblance
