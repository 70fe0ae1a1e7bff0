#include "graph/views.h"

#include <gtest/gtest.h>

#include "tests/support/op_case.h"

namespace semblance {
namespace {

std::optional<std::int64_t> offset_of(const std::string& line) {
  const Graph graph = testing::graph_of_case(line);
  return view_offset_bytes(graph, graph.nodes()[0]);
}

bool joins(const std::string& line) {
  const Graph graph = testing::graph_of_case(line);
  return is_join(graph, graph.nodes()[0]);
}

TEST(Views, ReshapesAndContiguousSlicesAreViews) {
  EXPECT_EQ(offset_of("reshape f32[2,6] shape=[3,4]"), 0);
  EXPECT_EQ(offset_of("slice f32[5,7] begin=2 end=4"), 2 * 7 * 4);
  EXPECT_EQ(offset_of("slice bf16[1,9,7,3] axis=1 begin=2 end=9"), 2 * 7 * 3 * 2);
  EXPECT_EQ(offset_of("slice bf16[1,9,7,3] axis=-3 begin=9 end=9"), 9 * 7 * 3 * 2);
  EXPECT_EQ(offset_of("slice f64[1,1,7] axis=2 begin=3 end=4"), 3 * 8);
  EXPECT_EQ(offset_of("slice f32[2,9,7] axis=1 end=9"), 0);  // all of it
}

TEST(Views, NothingElseIsAView) {
  EXPECT_EQ(offset_of("slice f32[2,9,7,3] axis=1 begin=2 end=4"), std::nullopt);
  EXPECT_EQ(offset_of("slice f32[1,9,7,3] axis=-1 begin=1 end=3"), std::nullopt);
  EXPECT_EQ(offset_of("slice f32[5,7] end=4 step=2"), std::nullopt);
  EXPECT_EQ(offset_of("spill f32[5,7]"), std::nullopt);
  EXPECT_EQ(offset_of("concat f32[5,7] axis=0"), std::nullopt);
}

TEST(Views, JoinsAreConcatsAlongTheOutermostAxis) {
  EXPECT_TRUE(joins("concat f32[2,3] f32[1,3] axis=0"));
  EXPECT_TRUE(joins("concat f32[1,4,7,3] f32[1,2,7,3] axis=1"));
  EXPECT_TRUE(joins("concat f32[1,1,3] f32[1,1,2]"));
  EXPECT_FALSE(joins("concat f32[2,4,7,3] f32[2,2,7,3] axis=1"));
  EXPECT_FALSE(joins("concat f32[1,4,7,3] f32[1,4,7,2]"));
  EXPECT_FALSE(joins("slice f32[2,3] end=1"));
}

}  // namespace
}  // namespace semblance
