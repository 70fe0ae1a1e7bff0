// The reference kernels against torch: tests/goldens/ops, made by tools/oracle/ops.py.
#include "backend/ref/ref.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "backend/backends.h"
#include "core/convert.h"
#include "runtime/node_run.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"
#include "tests/support/op_case.h"
#include "weights/safetensors.h"

namespace semblance {
namespace {

using testing::golden_path;

std::vector<std::byte> bytes_of(const WeightMap& goldens, const std::string& name) {
  const StoredTensor* tensor = goldens.find(name);
  if (tensor == nullptr) fail(ErrorKind::kMissing, "no golden {}", name);
  std::vector<std::byte> bytes(tensor->bytes());
  tensor->file->read(tensor->offset, bytes);
  return bytes;
}

std::vector<float> floats_of(DType dtype, const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / size_of(dtype));
  to_f32(dtype, bytes, values);
  return values;
}

std::vector<std::byte> run_reference(const Graph& graph,
                                     const std::vector<std::vector<std::byte>>& src) {
  const Node& node = graph.nodes()[0];
  std::vector<NodeRun::Source> sources;
  for (ValueId id : node.src) sources.push_back({graph.type(id)});
  NodeRun run(reference_backend(), node.op, sources);
  for (std::size_t i = 0; i < src.size(); ++i) run.set_bytes(i, src[i]);
  run.run();
  return run.result_bytes();
}

TEST(Reference, AgreesWithTorch) {
  const WeightMap goldens = read_safetensors(open_file(golden_path("ops/ops.safetensors")));
  std::set<std::string_view> covered;
  for (const std::string& line : testing::read_case_lines(golden_path("ops/cases.txt"))) {
    SCOPED_TRACE(line);
    const std::size_t blank = line.find(' ');
    const std::string name = line.substr(0, blank);
    const Graph graph = testing::graph_of_case(line.substr(blank + 1));
    const Node& node = graph.nodes()[0];
    std::vector<std::vector<std::byte>> src;
    for (std::size_t i = 0; i < node.src.size(); ++i) {
      src.push_back(bytes_of(goldens, fmt::format("{}.{}", name, i)));
      ASSERT_EQ(src.back().size(), graph.type(node.src[i]).bytes());
    }
    const std::vector<std::byte> want = bytes_of(goldens, name + ".dst");
    const StoredTensor& stored = *goldens.find(name + ".dst");
    ASSERT_EQ(to_string(TensorType{stored.dtype, stored.shape}), to_string(graph.type(node.dst)));
    const std::vector<std::byte> got = run_reference(graph, src);
    if (stored.dtype == DType::kF32 || stored.dtype == DType::kF64) {
      testing::expect_close(floats_of(stored.dtype, got), floats_of(stored.dtype, want));
    } else {
      EXPECT_EQ(got, want);
    }
    covered.insert(name_of(node.op));
  }
  covered.insert(Blank::kName);  // of undefined content
  for (const KernelEntry& entry : reference_kernels())
    EXPECT_TRUE(covered.contains(entry.op)) << "no golden for " << entry.op;
}

TEST(Reference, HasAKernelForEveryOpButReshape) {
  std::set<std::string_view> ops;
  for (const KernelEntry& entry : reference_backend().kernels()) ops.insert(entry.op);
  EXPECT_EQ(ops.size(), std::variant_size_v<Op> - 1);
  EXPECT_FALSE(ops.contains(Reshape::kName));  // a view, never run
}

TEST(Reference, BlanksAreNaN) {
  for (const char* line : {"blank shape=[3]", "blank dtype=bf16 shape=[3]"}) {
    const Graph graph = testing::graph_of_case(line);
    for (float value : floats_of(graph.type(0).dtype, run_reference(graph, {})))
      EXPECT_TRUE(std::isnan(value));
  }
}

TEST(Reference, SaysWhyItDeclines) {
  const Graph graph = testing::graph_of_case("unary i64[2]");
  EXPECT_EQ(testing::error_of(
                [&] { choose_kernel(reference_backend(), NodeView(graph, graph.nodes()[0])); }),
            "device: backend ref has no kernel for unary(i64[2])\n"
            "  reference: sources and result must be f32, f16 or bf16");
}

}  // namespace
}  // namespace semblance
