// Sessions whose inputs partly stay the same: what depends on them alone is computed once.
#include <gtest/gtest.h>

#include "backend/backends.h"
#include "core/convert.h"
#include "runtime/session.h"
#include "tests/support/errors.h"
#include "tests/support/failing_file.h"
#include "tests/support/random_values.h"

namespace semblance {
namespace {

using testing::random_values;

constexpr std::int64_t kWide = 256, kText = 512;

/// Attention of x [1,64,256] to text [1,8,512]: the text's keys and values need few bytes, their
/// weights many.
class CrossAttention {
 public:
  CrossAttention() {
    for (const auto& [name, columns] : {std::pair{"q", kWide}, {"k", kText}, {"v", kText}}) {
      const Shape shape{kWide, columns};
      std::vector<std::byte> bytes(static_cast<std::size_t>(shape.elements()) * 4);
      from_f32(random_values(shape.elements(), static_cast<unsigned>(name[0]), 0.1F), DType::kF32,
               bytes);
      weights_.add(name, {DType::kF32, shape, memory_file(name, std::move(bytes)), 0});
    }
  }

  Session session(bool is_steady, bool keeps_weights) const {
    Graph graph;
    const ValueId x = graph.add_input("x", {DType::kF32, Shape{1, 64, kWide}});
    const ValueId text = graph.add_input("text", {DType::kF32, Shape{1, 8, kText}});
    const auto linear = [&](const char* name, ValueId of, std::int64_t columns) {
      return graph.add(Linear{false, false},
                       {of, graph.add_weight(name, {DType::kF32, Shape{kWide, columns}})});
    };
    const ValueId gated = graph.add(Unary{UnaryFn::kSilu}, {text});
    const ValueId q = linear("q", x, kWide), k = linear("k", gated, kText);
    const ValueId v = linear("v", gated, kText);
    graph.add_output("y", graph.add(Attention{.heads = 4}, {q, k, v}));
    SessionOptions options;
    options.fit.keep_weights = keeps_weights;
    options.fit.memory_bytes = std::uint64_t{8} << 20;
    if (is_steady) options.fit.steady_inputs = {"text"};
    return {graph, cpu_backend(), weights_, options};
  }

  static std::vector<float> text(unsigned seed) { return random_values(8 * kText, seed); }
  static std::vector<float> x(unsigned seed) { return random_values(64 * kWide, seed); }

 private:
  WeightMap weights_;
};

TEST(SteadyInputs, KeepTheBitsAndAreReadOnce) {
  const CrossAttention layer;
  for (const bool keeps : {false, true}) {
    Session plain = layer.session(false, keeps), steady = layer.session(true, keeps);
    EXPECT_EQ(std::ranges::count(plain.plan().runs_once, true), 0);
    EXPECT_EQ(std::ranges::count(steady.plan().runs_once, true), 3) << "silu, keys and values";
    std::uint64_t read = 0;
    for (unsigned run = 0; run < 6; ++run) {
      for (Session* const session : {&plain, &steady}) {
        if (run == 0 || run == 3) session->set_input("text", layer.text(100 + run));
        session->set_input("x", layer.x(run));
        session->run();
      }
      EXPECT_EQ(steady.output_f32("y"), plain.output_f32("y")) << "run " << run;
      const std::uint64_t now = steady.stream_times().weight_bytes;
      const std::uint64_t once = std::uint64_t{2} * 4 * kWide * kText, often = 4 * kWide * kWide;
      const bool is_first = run == 0 || run == 3;
      EXPECT_EQ(now - read, (is_first ? once : 0) + (keeps && run > 0 ? 0 : often)) << run;
      read = now;
    }
  }
}

TEST(SteadyInputs, AreComputedAgainAfterAnIncompleteRun) {
  const CrossAttention layer;
  Session plain = layer.session(false, true), steady = layer.session(true, true);
  for (Session* const session : {&plain, &steady}) {
    session->set_input("text", layer.text(1));
    session->set_input("x", layer.x(2));
  }
  std::stop_source stopped;
  stopped.request_stop();
  for (int run = 0; run < 3; ++run) {
    testing::expect_error(ErrorKind::kCancelled, "", [&] { steady.run(stopped.get_token()); });
    steady.run();
    plain.run();
    EXPECT_EQ(steady.output_f32("y"), plain.output_f32("y")) << "run " << run;
  }
}

}  // namespace
}  // namespace semblance
