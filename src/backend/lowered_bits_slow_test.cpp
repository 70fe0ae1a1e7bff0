// A lowered graph gives the same bits as the original.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "backend/backends.h"
#include "core/convert.h"
#include "core/integers.h"
#include "graph/views.h"
#include "memory/buffer.h"
#include "planner/random_graph_test.h"
#include "planner/spill.h"
#include "runtime/host_device.h"
#include "runtime/kernel_cache.h"

namespace semblance {
namespace {

using testing::random_graph;
using testing::RandomSizes;

unsigned seed_of(const std::string& text) {
  return static_cast<unsigned>(std::hash<std::string>{}(text));
}

/// Values of a stored weight's rows. Each row depends only on its own index, so ranges of rows get
/// the same values. Weights of one axis are positive, since some are variances.
std::vector<float> weight_values(const ValueInfo& weight) {
  const Shape& shape = weight.type.shape;
  const std::int64_t size = shape.elements_from(1);
  const auto fan_in = static_cast<float>(size);
  std::vector<RowRange> rows = weight.rows;
  if (rows.empty()) rows = {{0, shape[0]}};
  std::vector<float> values;
  for (const RowRange& range : rows) {
    for (std::int64_t row = range.first; row < range.first + range.count; ++row) {
      std::minstd_rand random(seed_of(weight.name + "/" + std::to_string(row)));
      std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
      for (std::int64_t i = 0; i < size; ++i) {
        const float value = uniform(random);
        values.push_back(shape.rank() == 1 ? 1.0F + value / 2 : value * 1.7F / std::sqrt(fan_in));
      }
    }
  }
  return values;
}

Buffer input_values(const ValueInfo& input) {
  Buffer buffer(input.type.bytes(), Tag::kActivations);
  std::mt19937 random(seed_of(input.name));
  if (input.type.dtype == DType::kI32) {
    for (std::int32_t& value : buffer.as<std::int32_t>())
      value = static_cast<std::int32_t>(random() % 16);
    return buffer;
  }
  std::normal_distribution<float> normal;
  std::vector<float> values(at(input.type.shape.elements()));
  for (float& value : values) value = normal(random);
  from_f32(values, input.type.dtype, buffer.bytes());
  return buffer;
}

/// Evaluates graphs node by node, each result in its own memory.
class Evaluator {
 public:
  explicit Evaluator(const Backend& backend) : backend_(backend) {}

  std::map<std::string, Buffer> run(const Graph& graph) {
    std::vector<int> last(graph.values().size(), -1);
    for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
      for (ValueId src : graph.nodes()[n].src) last[at(src)] = static_cast<int>(n);
    }
    for (const auto& [name, value] : graph.outputs())
      last[at(value)] = static_cast<int>(graph.nodes().size());
    std::vector<Buffer> values(graph.values().size());
    for (std::size_t i = 0; i < graph.values().size(); ++i) {
      if (graph.values()[i].kind == ValueKind::kInput) values[i] = input_values(graph.values()[i]);
    }
    for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
      const Node& node = graph.nodes()[n];
      values[at(node.dst)] = compute(graph, node, values);
      for (ValueId src : node.src) {
        if (last[at(src)] == static_cast<int>(n)) values[at(src)] = {};
      }
    }
    std::map<std::string, Buffer> outputs;
    for (const auto& [name, value] : graph.outputs()) outputs[name] = std::move(values[at(value)]);
    return outputs;
  }

  SharedKernel kernel_of(const Graph& graph, const Node& node) {
    const std::size_t known = kernels_.size();
    SharedKernel found = kernels_.choose(backend_, NodeView(graph, node));
    if (kernels_.size() > known) found.kernel->compile();
    return found;
  }

  /// What a planner would know about the kernels.
  WeightFactsOf facts() {
    return [this](const Graph& graph, const Node& node) {
      const SharedKernel found = kernel_of(graph, node);
      return WeightFacts{found.kernel->packed_bytes(1), found.kernel->is_exact_by_channels()};
    };
  }

 private:
  Buffer compute(const Graph& graph, const Node& node, const std::vector<Buffer>& values) {
    Buffer dst(graph.type(node.dst).bytes(), Tag::kActivations);
    if (const auto offset = view_offset_bytes(graph, node)) {
      std::memcpy(dst.data(), values[at(node.src[0])].data() + *offset, dst.size());
      return dst;
    }
    const SharedKernel chosen = kernel_of(graph, node);
    std::vector<Buffer> packed;
    std::vector<const std::byte*> src;
    for (std::size_t i = 0; i < node.src.size(); ++i) {
      const ValueInfo& source = graph.values()[at(node.src[i])];
      if (source.kind != ValueKind::kWeight) {
        src.push_back(values[at(node.src[i])].data());
        continue;
      }
      const int index = static_cast<int>(i);
      packed.emplace_back(chosen.kernel->packed_bytes(index), Tag::kWeights);
      chosen.kernel->pack(index, PackRows::of(0, source.type.shape[0], weight_values(source)),
                          packed.back().bytes());
      src.push_back(packed.back().data());
    }
    const Buffer scratch(chosen.kernel->scratch_bytes(), Tag::kScratch);
    dynamic_cast<const HostKernel&>(*chosen.kernel).run({src, dst.data(), scratch.data()});
    return dst;
  }

  const Backend& backend_;
  KernelCache kernels_;
};

void expect_same_bits(const Graph& graph, const std::map<std::string, Buffer>& wanted,
                      const std::map<std::string, Buffer>& found) {
  ASSERT_EQ(wanted.size(), found.size());
  for (const auto& [name, bytes] : wanted) {
    const Buffer& other = found.at(name);
    ASSERT_EQ(bytes.size(), other.size());
    std::size_t different = 0, first = bytes.size();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (bytes.data()[i] == other.data()[i]) continue;
      ++different;
      first = std::min(first, i);
    }
    EXPECT_EQ(different, 0U) << name << " " << to_string(graph.type(graph.find_output(name)))
                             << " from byte " << first;
  }
}

/// Comparing bits of NaN or constant results would prove little.
void expect_numbers(const Graph& graph, const std::string& name, const Buffer& bytes) {
  const TensorType& type = graph.type(graph.find_output(name));
  std::vector<float> values(at(type.shape.elements()));
  to_f32(type.dtype, bytes.bytes(), values);
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  EXPECT_TRUE(std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); }))
      << name;
  EXPECT_GT(*most - *least, 1e-3F) << name;
}

/// How often each op occurred, so that a test can check that it covered them.
using OpCounts = std::map<std::string_view, int>;

void expect_bits(const Backend& backend, const RandomSizes& sizes, unsigned first, unsigned count,
                 OpCounts& seen) {
  Evaluator evaluator(backend);
  std::mt19937 random(first);
  for (unsigned seed = first; seed < first + count; ++seed) {
    const Graph graph = random_graph(seed, sizes);
    const auto wanted = evaluator.run(graph);
    for (const auto& [name, bytes] : wanted) expect_numbers(graph, name, bytes);
    const LowerRules rules = testing::random_rules(random, graph);
    SCOPED_TRACE(fmt::format("seed {}: {}", seed, testing::to_string(rules)));
    const Lowered lowered = lower(graph, rules, evaluator.facts());
    expect_same_bits(graph, wanted, evaluator.run(lowered.graph));
    const std::vector<NodeNeeds> needs(lowered.graph.nodes().size());
    const Lowered spilled = spill(lowered, needs, 0);
    if (spilled.graph.nodes().size() != lowered.graph.nodes().size())
      expect_same_bits(graph, wanted, evaluator.run(spilled.graph));
    for (const Node& node : spilled.graph.nodes()) ++seen[name_of(node.op)];
  }
}

TEST(LoweredBits, MatchTheGraphOnTheReference) {
  OpCounts seen;
  expect_bits(reference_backend(), {16, 16, 3, true}, 0, 8, seen);
  expect_bits(reference_backend(), {16, 64, 1, true}, 100, 4, seen);
  for (std::string_view op : {"spill", "fetch", "paste", "group_moments", "slice", "concat"})
    EXPECT_GT(seen[op], 0) << op;
}

TEST(LoweredBits, MatchTheGraphOnTheProcessor) {
  OpCounts seen;
  expect_bits(cpu_backend(), {64, 64, 3, true}, 200, 6, seen);
  for (std::string_view op : {"spill", "fetch", "paste", "group_moments", "slice", "concat"})
    EXPECT_GT(seen[op], 0) << op;
}

}  // namespace
}  // namespace semblance
