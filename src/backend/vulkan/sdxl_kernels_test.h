// The vulkan backend's kernels for the layers of tests/shapes/sdxl.txt.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "runtime/node_run.h"
#include "tests/support/op_case.h"
#include "tests/support/op_parts.h"

namespace semblance::testing {

struct SdxlRun {
  std::string line;  // of the file
  std::unique_ptr<NodeRun> run;
};

/// The layers that the entry's kernel accepts, with f32 replaced by `dtype`. Appends to `refusals`
/// why it declines others of its op.
inline std::vector<SdxlRun> sdxl_runs(const Backend& backend, const KernelEntry& entry, DType dtype,
                                      std::string& refusals) {
  std::vector<SdxlRun> runs;
  for (const std::string& line : read_case_lines(shapes_path("sdxl"))) {
    const Graph graph = graph_of_case(line);
    const Node& node = graph.nodes()[0];
    if (name_of(node.op) != entry.op) continue;
    const std::vector<DType> dtypes = dtypes_of(node.op, DType::kF16);
    if (std::ranges::find(dtypes, dtype) == dtypes.end()) continue;
    std::vector<NodeRun::Source> sources;
    for (ValueId id : node.src) {
      const ValueInfo& value = graph.values()[static_cast<std::size_t>(id)];
      NodeRun::Source source{value.type, value.kind == ValueKind::kWeight};
      if (takes_dtype(value)) source.type.dtype = dtype;
      sources.push_back(source);
    }
    auto run = std::make_unique<NodeRun>(backend, entry, node.op, sources);
    if (run->has_kernel()) {
      runs.push_back({line, std::move(run)});
    } else {
      refusals += "\n  " + run->declined().front();
    }
  }
  return runs;
}

}  // namespace semblance::testing
