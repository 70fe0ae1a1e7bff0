#include "planner/check_plan.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/integers.h"
#include "graph/views.h"
#include "planner/ledger.h"
#include "planner/make_plan.h"
#include "planner/random_graph_test.h"
#include "planner/spill.h"
#include "tests/support/sanitized.h"

namespace semblance {
namespace {

TEST(Ledger, TracksTheContentOfEveryByte) {
  Ledger ledger;
  ledger.write(100, {{1, 0, 50}});
  ledger.write(120, {{2, 7, 10}, {3, 0, 5}});
  EXPECT_EQ(ledger.read({90, 70}),
            (Content{{-1, 0, 10}, {1, 0, 20}, {2, 7, 10}, {3, 0, 5}, {1, 35, 15}, {-1, 0, 10}}));
  EXPECT_EQ(ledger.read({122, 4}), (Content{{2, 9, 4}}));
  ledger.write(100, {{1, 0, 20}});
  ledger.write(120, {{1, 20, 15}});
  EXPECT_EQ(ledger.read({100, 50}), (Content{{1, 0, 50}}));  // merged again
}

/// A run with every kind of node, in which no place is used twice. 256 bytes per picture.
///
///   x[2,4,16] -> views of pictures -> linear each -> join -> spilled; meanwhile affine(x) twice;
///   picture 1 fetched, its halves pasted into a blank, unary -> "y"; rows of "file" fetched -> "z"
struct Example {
  Graph graph;
  std::vector<NodeNeeds> needs;
  Plan plan;
  ValueId x, file, weight, first, second, a, b, joined, spilled, affine, twice, fetched, left,
      right, blank, pasted, whole, y, rows, z;

  Example() {
    const auto f32 = [](const Shape& shape) { return TensorType{DType::kF32, shape}; };
    x = graph.add_input("x", f32({2, 4, 16}));
    file = graph.add_input("file", f32({1, 8, 16}));
    weight = graph.add_weight("w", f32({16, 16}));
    first = graph.add(Slice{0, 0, 1, 1}, {x});                     // 0
    second = graph.add(Slice{0, 1, 2, 1}, {x});                    // 1
    a = graph.add(Linear{false, false}, {first, weight});          // 2
    b = graph.add(Linear{false, false}, {second, weight});         // 3
    joined = graph.add(Concat{0}, {a, b});                         // 4
    spilled = graph.add(Spill{}, {joined});                        // 5
    affine = graph.add(Affine{2, 0}, {x});                         // 6
    twice = graph.add(Affine{2, 0}, {affine});                     // 7
    const ValueId part = graph.add(Slice{0, 1, 2, 1}, {spilled});  // 8
    fetched = graph.add(Fetch{}, {part});                          // 9
    left = graph.add(Slice{-1, 0, 8, 1}, {fetched});               // 10
    right = graph.add(Slice{-1, 8, 16, 1}, {fetched});             // 11
    blank = graph.add(Blank{DType::kF32, {1, 4, 16}}, {});         // 12
    pasted = graph.add(Paste{0}, {blank, left});                   // 13
    whole = graph.add(Paste{8}, {pasted, right});                  // 14
    y = graph.add(Unary{}, {whole});                               // 15
    rows = graph.add(Slice{1, 4, 8, 1}, {file});                   // 16
    z = graph.add(Fetch{}, {rows});                                // 17
    graph.add_output("twice", twice);
    graph.add_output("y", y);
    graph.add_output("z", z);

    needs.resize(graph.nodes().size());
    for (int n : {2, 3}) {
      needs[at(n)].scratch_bytes = 100;
      needs[at(n)].src = {{}, {2000, 1024, 7}};
    }
    plan.values.resize(graph.values().size());
    plan.in_file.resize(graph.values().size());
    plan.is_view.resize(graph.nodes().size());
    plan.scratch.resize(graph.nodes().size());
    plan.spilled_before.resize(graph.nodes().size());
    for (int n : {0, 1, 4, 8, 16}) plan.is_view[at(n)] = true;
    for (ValueId value : {file, rows, spilled, part}) plan.in_file[at(value)] = true;
    const auto set = [&](ValueId value, std::uint64_t offset) {
      plan.values[at(value)] = {offset, graph.type(value).bytes()};
    };
    set(x, 0), set(first, 0), set(second, 256);
    set(joined, 512), set(a, 512), set(b, 768);
    set(affine, 1024), set(twice, 1536);
    set(fetched, 2048), set(left, 2304), set(right, 2432);
    set(blank, 2560), set(pasted, 2560), set(whole, 2560), set(y, 2560);  // in place
    set(z, 2816);
    plan.scratch[2] = {3072, 100};
    plan.scratch[3] = {3072, 100};
    plan.weights.push_back({weight, 2, 2, 3, {2000, 1024, 7}, Keep::kStreamed, {3200, 2000}});
    plan.node_weights = {{2, 1, 0}, {3, 1, 0}};
    plan.arena_bytes = 5200;
    plan.ring_bytes = 1024;
    set(file, 0), set(rows, 256), set(spilled, 4096), set(part, 4096 + 256);
    plan.file_bytes = 8192;
    plan.spilled_before[5] = 8;
  }

  Place& place(ValueId value) { return plan.values[at(value)]; }
  void check() const { check_plan(graph, needs, plan); }
};

void expect_wrong(const Example& example, std::string_view what) {
  try {
    example.check();
    ADD_FAILURE() << "not detected: " << what;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInternal);
    EXPECT_NE(std::string_view(error.what()).find(what), std::string_view::npos) << error.what();
  }
}

/// Changes the example's plan and expects the checker to report `what`.
template <typename F>
void expect_wrong_after(F change, std::string_view what) {
  SCOPED_TRACE(what);
  Example example;
  change(example);
  expect_wrong(example, what);
}

TEST(CheckPlan, AcceptsAGoodPlan) {
  const Example example;
  ASSERT_NO_THROW(example.check());
  const PlanPeaks peaks = peaks_of(example.graph, example.plan);
  EXPECT_EQ(peaks.arena_bytes, 5200U);
  EXPECT_EQ(peaks.ring_bytes, 1024U);
  EXPECT_EQ(peaks.file_bytes, 4096U + 512);
}

TEST(CheckPlan, AcceptsReusedPlaces) {
  Example example;
  example.place(example.twice) = example.place(example.affine);  // in place
  example.place(example.fetched).offset = 512;                   // where `a` was, spilled by then
  example.place(example.z).offset = 512;
  example.plan.scratch[3].offset = 1024;      // where `affine` will be
  example.place(example.left).offset = 3200;  // where the weight was
  EXPECT_NO_THROW(example.check());
}

TEST(CheckPlan, AcceptsCopiedPastesAndViews) {
  Example example;
  example.place(example.pasted).offset = 3264;
  example.place(example.whole).offset = 3584;
  example.plan.is_view[0] = false;  // a copy of picture 0
  example.place(example.first).offset = 2560;
  EXPECT_NO_THROW(example.check());
}

TEST(CheckPlan, FindsOverwritesBeforeReads) {
  expect_wrong_after([](Example& e) { e.place(e.affine).offset = 768; },  // while it is spilled
                     "overwrites what node 5 is still spilling");
  expect_wrong_after(
      [](Example& e) {
        e.place(e.right) = {2304, 128};
      },
      "source 1 was overwritten");
  expect_wrong_after([](Example& e) { e.place(e.left).offset = 2048; },
                     "its result overlaps source");
  expect_wrong_after([](Example& e) { e.place(e.z).offset = 2560; }, "output y was overwritten");
  expect_wrong_after([](Example& e) { e.place(e.blank).offset = 2304; },
                     "source 1 was overwritten");
  expect_wrong_after([](Example& e) { e.place(e.y).offset = 1600; },
                     "output twice was overwritten");
}

TEST(CheckPlan, FindsResultsThatOverlapSources) {
  expect_wrong_after([](Example& e) { e.place(e.twice).offset = 1088; }, "its result overlaps");
  expect_wrong_after([](Example& e) { e.place(e.y).offset = 2560 + 64; }, "its result overlaps");
  expect_wrong_after([](Example& e) { e.place(e.whole).offset = 2432; }, "its result overlaps");
}

TEST(CheckPlan, FindsMisplacedViewsAndJoins) {
  expect_wrong_after([](Example& e) { e.place(e.second).offset = 0; }, "a view is not placed");
  expect_wrong_after([](Example& e) { e.place(e.first).offset = 1024; }, "a view is not placed");
  expect_wrong_after([](Example& e) { e.place(e.b).offset = 1024; }, "a source of a join is not");
  expect_wrong_after([](Example& e) { std::swap(e.place(e.a), e.place(e.b)); },
                     "a source of a join");
  expect_wrong_after([](Example& e) { e.place(e.rows).offset = 128; }, "a view is not placed");
  expect_wrong_after([](Example& e) { e.plan.is_view[10] = true; }, "it must run");
  expect_wrong_after([](Example& e) { e.plan.is_view[7] = true; }, "it must run");
  expect_wrong_after([](Example& e) { e.plan.is_view[5] = true; }, "in another kind of memory");
}

TEST(CheckPlan, FindsOverwrittenInputs) {
  expect_wrong_after([](Example& e) { e.place(e.affine).offset = 0; }, "it overwrites an input");
  expect_wrong_after([](Example& e) { e.place(e.z).offset = 256; }, "it overwrites an input");
  expect_wrong_after([](Example& e) { e.plan.scratch[2].offset = 448; }, "it overwrites an input");
  expect_wrong_after(
      [](Example& e) {
        e.place(e.spilled).offset = 256;
        e.place(e.spilled + 3).offset = 512;
      },
      "it overwrites an input in the scratch file");
  expect_wrong_after(
      [](Example& e) {
        e.plan.in_file[at(e.file)] = false;
        e.plan.in_file[at(e.rows)] = false;
      },
      "inputs overlap");
}

TEST(CheckPlan, FindsSpillsThatEndTooLate) {
  expect_wrong_after([](Example& e) { e.plan.spilled_before[5] = 5; }, "ends before it begins");
  Example example;  // a fetch into what is still being spilled
  example.place(example.fetched).offset = 512;
  EXPECT_NO_THROW(example.check());
  example.plan.spilled_before[5] = 10;
  expect_wrong(example, "overwrites what node 5 is still spilling");
  example.plan.spilled_before[5] = 9;
  EXPECT_NO_THROW(example.check());
}

TEST(CheckPlan, FindsBadFetches) {
  // A result that no node uses is still being fetched when it is overwritten.
  Example example;
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::kF32, Shape{16}});
  graph.add(Fetch{}, {graph.add(Spill{}, {x})});
  graph.add_output("y", graph.add(Affine{}, {x}));
  Plan plan;
  plan.values = {{0, 64}, {0, 64}, {64, 64}, {64, 64}};
  plan.in_file = {false, true, false, false};
  plan.is_view.resize(3);
  plan.scratch.resize(3);
  plan.spilled_before = {1, 0, 0};
  plan.arena_bytes = 192;
  plan.file_bytes = 64;
  const std::vector<NodeNeeds> needs(3);
  EXPECT_THROW(check_plan(graph, needs, plan), Error);
  plan.values[3].offset = 128;
  EXPECT_NO_THROW(check_plan(graph, needs, plan));

  expect_wrong_after([](Example& e) { e.plan.in_file[at(e.spilled)] = false; },
                     "its result is in the wrong kind of memory");
  expect_wrong_after([](Example& e) { e.plan.in_file[at(e.z)] = true; }, "wrong kind of memory");
  expect_wrong_after([](Example& e) { e.plan.in_file[at(e.fetched - 1)] = false; },
                     "in another kind of memory");
}

TEST(CheckPlan, FindsUnwrittenBytes) {
  const auto blank_of = [](std::int64_t begin, bool through_view) {
    Graph graph;
    const ValueId part = graph.add_input("part", {DType::kF32, Shape{1, 16, 8}});
    const ValueId blank = graph.add(Blank{DType::kF32, {1, 16, 16}}, {});
    ValueId whole = graph.add(Paste{0}, {graph.add(Paste{begin}, {blank, part}), part});
    if (through_view) whole = graph.add(Reshape{{16, 16}}, {whole});
    graph.add_output("y", through_view ? whole : graph.add(Affine{}, {whole}));
    Plan plan;
    const std::size_t values = graph.values().size();
    plan.values.assign(values, {512, 1024});
    plan.values[0] = {0, 512};
    plan.in_file.resize(values);
    plan.is_view.assign(graph.nodes().size(), false);
    if (through_view) plan.is_view.back() = true;
    plan.scratch.resize(graph.nodes().size());
    plan.spilled_before.resize(graph.nodes().size());
    plan.arena_bytes = 1536;
    check_plan(graph, std::vector<NodeNeeds>(graph.nodes().size()), plan);
  };
  EXPECT_NO_THROW(blank_of(8, false));
  EXPECT_NO_THROW(blank_of(8, true));
  EXPECT_THROW(blank_of(7, false), Error);  // channel 15 is missing
  EXPECT_THROW(blank_of(7, true), Error);
}

TEST(CheckPlan, FindsBadWeights) {
  expect_wrong_after([](Example& e) { e.plan.scratch[3].offset = 3200; },
                     "a weight was overwritten");
  expect_wrong_after([](Example& e) { e.plan.weights[0].packed.offset = 512 - 64; },
                     "it overwrites an input");
  expect_wrong_after([](Example& e) { e.plan.weights[0].packed.offset = 768; },
                     "its result overlaps its weight");
  expect_wrong_after(
      [](Example& e) {  // packed at node 3 over what node 2 computed
        e.plan.weights.push_back(e.plan.weights[0]);
        e.plan.weights[0].last_node = 2;
        e.plan.weights[1].first_node = e.plan.weights[1].loaded_from = 3;
        e.plan.node_weights[1].use = 1;
        e.plan.weights[1].packed.offset = 3264;
        e.place(e.joined).offset = 5248;
        e.place(e.a).offset = 5248;
        e.place(e.b).offset = 5248 + 256;
        e.plan.arena_bytes = 6000;
      },
      "source 0 was overwritten");
  expect_wrong_after([](Example& e) { e.plan.weights[0].packed.bytes = 1999; }, "badly placed");
  expect_wrong_after([](Example& e) { e.plan.weights[0].packed.offset = 3264; }, "badly placed");
  expect_wrong_after([](Example& e) { e.plan.weights[0].needs.layout = 8; },
                     "a weight other than its source");
  expect_wrong_after([](Example& e) { e.plan.weights[0].needs.packed_bytes = 9; },
                     "a weight other than its source");
  expect_wrong_after([](Example& e) { e.plan.weights[0].weight = e.x; },
                     "a value that is not a weight");
  expect_wrong_after([](Example& e) { e.plan.weights[0].last_node = 2; },
                     "a weight that is not in memory");
  expect_wrong_after([](Example& e) { e.plan.weights[0].first_node = 3; },
                     "a weight that is not in memory");
  expect_wrong_after([](Example& e) { e.plan.weights[0].first_node = 1; }, "does not run");
  expect_wrong_after([](Example& e) { e.plan.node_weights.pop_back(); },
                     "each of its weights once");
  expect_wrong_after(
      [](Example& e) {
        e.plan.node_weights.push_back({3, 1, 0});
      },
      "each of its weights once");
  expect_wrong_after([](Example& e) { e.plan.node_weights[1].use = 1; },
                     "a weight use that does not exist");
  expect_wrong_after([](Example& e) { e.plan.ring_bytes = 1023; }, "does not fit in the ring");
}

/// x -> affine "a" -> affine -> affine -> linear with a weight that lies where "a" was.
struct LoadedAhead {
  Graph graph;
  std::vector<NodeNeeds> needs{4};
  Plan plan;

  explicit LoadedAhead(int loaded_from) {
    ValueId value = graph.add_input("x", {DType::kF32, {1, 4, 16}});
    for (int i = 0; i < 3; ++i) value = graph.add(Affine{2, 0}, {value});
    const ValueId weight = graph.add_weight("w", {DType::kF32, {16, 16}});
    graph.add_output("y", graph.add(Linear{false, false}, {value, weight}));
    needs[3].src = {{}, {1024, 1024, 0}};
    plan.values = {{0, 256}, {1024, 256}, {256, 256}, {512, 256}, {}, {768, 256}};
    plan.in_file.resize(6);
    plan.is_view.resize(4);
    plan.scratch.resize(4);
    plan.spilled_before.resize(4);
    plan.weights = {{weight, loaded_from, 3, 3, needs[3].src[1], Keep::kStreamed, {1024, 1024}}};
    plan.node_weights = {{3, 1, 0}};
    plan.arena_bytes = 2048;
    plan.ring_bytes = 1024;
  }
  std::string error() const {
    try {
      check_plan(graph, needs, plan);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

TEST(CheckPlan, FindsPlacesThatAreNotFreeWhenAWeightIsLoaded) {
  EXPECT_EQ(LoadedAhead(3).error(), "");
  EXPECT_EQ(LoadedAhead(2).error(), "");
  // Node 1 reads "a" while the weight may already be copied to its place.
  EXPECT_NE(LoadedAhead(1).error().find("node 1 (affine): source 0 was overwritten"),
            std::string::npos);
  EXPECT_NE(LoadedAhead(0).error().find("a weight was overwritten"), std::string::npos);
  EXPECT_NE(LoadedAhead(4).error().find("loaded after its use"), std::string::npos);
  EXPECT_NE(LoadedAhead(-1).error().find("not loaded in the order of use"), std::string::npos);
  // Node 2 writes there in between.
  LoadedAhead scribbled(2);
  scribbled.needs[2].scratch_bytes = 64;
  scribbled.plan.scratch[2] = {1984, 64};
  EXPECT_NE(scribbled.error().find("a weight was overwritten"), std::string::npos);
  scribbled.plan.weights[0].loaded_from = 3;
  EXPECT_EQ(scribbled.error(), "");
  // A second one, used later, is loaded before the first.
  LoadedAhead unordered(2);
  unordered.plan.weights.push_back(unordered.plan.weights[0]);
  unordered.plan.weights[1].loaded_from = 1;
  EXPECT_NE(unordered.error().find("not loaded in the order of use"), std::string::npos);
}

TEST(CheckPlan, FindsOverlappingResidentWeights) {
  const auto resident = [](Example& e, std::uint64_t second) {
    e.plan.weights.push_back(e.plan.weights[0]);
    WeightUse& one = e.plan.weights[0];
    WeightUse& two = e.plan.weights[1];
    one.last_node = 2;
    two.first_node = 3;
    e.plan.node_weights[1].use = 1;
    one.keep = Keep::kPacked;
    one.packed = {0, 2000};
    two.keep = Keep::kPacked;
    two.packed = {second, 2000};
    e.plan.resident_bytes = 4096;
  };
  Example same;
  resident(same, 0);
  EXPECT_NO_THROW(same.check());
  Example apart;
  resident(apart, 2048);
  EXPECT_NO_THROW(apart.check());
  expect_wrong_after([&](Example& e) { resident(e, 1984); }, "resident weights overlap");
  expect_wrong_after(
      [&](Example& e) {
        resident(e, 0);
        ++e.plan.weights[1].needs.layout;
      },
      "resident weights overlap");
  expect_wrong_after([&](Example& e) { resident(e, 2112); }, "is badly placed");
  apart.plan.slab_bytes = 2048;
  EXPECT_NO_THROW(apart.check());
  expect_wrong_after(
      [&](Example& e) {
        resident(e, 2048);
        e.plan.slab_bytes = 3072;
      },
      "lies in two slabs");
}

TEST(CheckPlan, FindsPlacesOutsideTooSmallOrMisaligned) {
  expect_wrong_after([](Example& e) { e.plan.arena_bytes -= 1; }, "badly placed");
  expect_wrong_after([](Example& e) { e.plan.arena_bytes = 3071; }, "outside its region");
  expect_wrong_after([](Example& e) { e.plan.file_bytes = 4600; }, "outside its region");
  expect_wrong_after([](Example& e) { e.place(e.z).bytes -= 1; }, "a place of the wrong size");
  expect_wrong_after([](Example& e) { e.place(e.z).offset = ~std::uint64_t{0} - 63; }, "outside");
  expect_wrong_after([](Example& e) { e.place(e.z).offset += 32; }, "not aligned");
  expect_wrong_after([](Example& e) { e.plan.scratch[2].bytes = 99; }, "its scratch");
  expect_wrong_after([](Example& e) { e.plan.scratch[2].offset += 8; }, "its scratch");
  expect_wrong_after([](Example& e) { e.plan.scratch[3].offset = 768; }, "overlaps its scratch");
  expect_wrong_after([](Example& e) { e.plan.is_view.pop_back(); }, "an entry for each");
}

/// In a plan with uploads ahead, moves one onto a value that is still read after the upload begins.
void expect_uploads_checked(const Lowered& lowered, const std::vector<NodeNeeds>& needs,
                            std::mt19937& random) {
  const Graph& graph = lowered.graph;
  const Plan good =
      make_plan(lowered, needs, {.upload_rate = 1e9, .ahead_limit_bytes = std::uint64_t{1} << 20});
  ASSERT_NO_THROW(check_plan(graph, needs, good));
  for (std::size_t use = 0; use < good.weights.size(); ++use) {
    const WeightUse& weight = good.weights[use];
    if (weight.loaded_from == weight.first_node) continue;
    const int reader = weight.loaded_from + static_cast<int>(random() % 2) *
                                                (weight.first_node - 1 - weight.loaded_from);
    const Node& node = graph.nodes()[at(reader)];
    if (good.is_view[at(reader)] || node.src.empty() || good.in_file[at(node.src[0])] ||
        good.values[at(node.src[0])].bytes == 0)
      continue;
    Plan bad = good;
    bad.weights[use].packed.offset = good.values[at(node.src[0])].offset;
    bad.arena_bytes *= 2;
    EXPECT_THROW(check_plan(graph, needs, bad), Error) << "weight " << use << " at " << reader;
  }
}

// Moves one result of a tight plan onto another that is read later. The checker must find it every
// time.
TEST(CheckPlan, FindsRandomConflicts) {
  std::mt19937 random(3);
  unsigned made = 0U;
  for (unsigned seed = 0; seed < testing::sweep(32); ++seed) {
    SCOPED_TRACE(seed);
    const testing::FakeKernels kernels(seed);
    const auto needs_of = [&](const Graph& graph) {
      std::vector<NodeNeeds> needs;
      for (const Node& node : graph.nodes()) needs.push_back(kernels(graph, node));
      return needs;
    };
    const auto facts = [&](const Graph& g, const Node& node) {
      return WeightFacts{kernels(g, node).src[1].packed_bytes, true};
    };
    const Graph original = testing::random_graph(seed, {32, 32, 3, true});
    const Lowered lowered = lower(original, testing::random_rules(random, original), facts);
    const Graph& graph = lowered.graph;
    const std::vector<NodeNeeds> needs = needs_of(graph);
    const Plan good = make_plan(lowered, needs, {});
    ASSERT_NO_THROW(check_plan(graph, needs, good));
    for (int i = 0; i < 300; ++i) {
      const auto reader = random() % graph.nodes().size();
      const Node& node = graph.nodes()[reader];
      if (good.is_view[reader] || node.src.empty()) continue;
      const ValueId kept = node.src[random() % node.src.size()];
      const ValueInfo& info = graph.values()[at(kept)];
      const int begin = info.kind == ValueKind::kResult ? info.producer : -1;
      if (info.kind == ValueKind::kWeight || good.in_file[at(kept)] ||
          (begin >= 0 && good.is_view[at(begin)]) || begin + 1 >= static_cast<int>(reader))
        continue;
      const auto writer = at(begin) + 1 + random() % (reader - at(begin) - 1);
      const Node& other = graph.nodes()[writer];
      if (good.is_view[writer] || good.in_file[at(other.dst)] ||
          std::holds_alternative<Fetch>(other.op) || view_offset_bytes(graph, other) ||
          std::holds_alternative<Concat>(other.op) || graph.type(other.dst).bytes() == 0 ||
          good.values[at(kept)].bytes == 0)
        continue;
      Plan bad = good;
      bad.values[at(other.dst)].offset = good.values[at(kept)].offset;
      bad.arena_bytes *= 2;
      EXPECT_THROW(check_plan(graph, needs, bad), Error) << writer << " over " << kept;
      ++made;
      if (needs[writer].scratch_bytes == 0) continue;
      bad = good;
      bad.scratch[writer].offset = good.values[at(kept)].offset;
      bad.arena_bytes *= 2;
      EXPECT_THROW(check_plan(graph, needs, bad), Error) << "scratch of " << writer;
    }
    for (std::size_t use = 0; use < good.weights.size(); ++use) {
      if (good.weights[use].keep == Keep::kPacked) continue;
      const Node& node = graph.nodes()[at(good.weights[use].first_node)];
      Plan bad = good;  // onto a result, a source, or past the end
      bad.weights[use].packed.offset =
          good.values[at(random() % 2 == 0 ? node.dst : node.src[0])].offset;
      bad.arena_bytes *= 2;
      EXPECT_THROW(check_plan(graph, needs, bad), Error) << "weight " << use;
    }
    expect_uploads_checked(lowered, needs, random);
    Plan bad = good;
    bad.arena_bytes = peaks_of(graph, good).arena_bytes - 1;
    EXPECT_THROW(check_plan(graph, needs, bad), Error);
  }
  EXPECT_GT(made, testing::sweep(500));
}

}  // namespace
}  // namespace semblance
