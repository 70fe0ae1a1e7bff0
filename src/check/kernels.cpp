#include <algorithm>

#include "backend/op_values.h"
#include "check/pieces.h"
#include "check/shapes.h"
#include "core/closeness.h"
#include "core/stop.h"
#include "graph/op_case.h"
#include "graph/parts.h"
#include "runtime/node_run.h"
#include "runtime/trace.h"

namespace semblance::checking {
namespace {

/// Software drivers leave out larger layers.
constexpr Operations kMostSoftwareOperations = 1e9;
constexpr std::int64_t kMostSoftwareElements = 4 << 20;  // of a source
constexpr double kLongRuns = 0.05;                       // seconds, for a rate

/// A case of a kernel in one type of numbers.
struct Case {
  const KernelEntry* entry = nullptr;
  std::string line;
  DType dtype = DType::kF32;
};

std::vector<std::string> lines_of(std::span<const unsigned char> shapes, std::string_view op) {
  const std::string_view text(reinterpret_cast<const char*>(shapes.data()), shapes.size());
  std::vector<std::string> lines = case_lines(text);
  std::erase_if(lines,
                [&](const std::string& line) { return line.substr(0, line.find(' ')) != op; });
  return lines;
}

std::vector<DType> types_of(const CheckedCard& card, const std::string& line) {
  std::vector<DType> types = dtypes_of(graph_of_case(line).nodes()[0].op, DType::kF16);
  if (!card.backend.half()) std::erase(types, DType::kF16);
  return types;
}

std::vector<NodeRun::Source> sources_of(const std::vector<CaseTensor>& tensors) {
  std::vector<NodeRun::Source> sources;
  sources.reserve(tensors.size());
  for (const CaseTensor& tensor : tensors) sources.push_back({tensor.type, tensor.is_weight});
  return sources;
}

void fill(NodeRun& run, const std::vector<CaseTensor>& tensors) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].is_weight) {
      run.set(i, tensors[i].values);
    } else {
      run.set_bytes(i, encode(tensors[i]));
    }
  }
}

std::vector<float> values_of(const NodeRun& run) {
  return decode(run.result_bytes(), run.node().dst().dtype);
}

/// What another backend computes from the same values, in f32.
std::vector<float> expected(const Backend& judge, const Op& op,
                            const std::vector<CaseTensor>& tensors) {
  const std::vector<CaseTensor> exact = widened(tensors);
  NodeRun run(judge, op, sources_of(exact));
  fill(run, exact);
  run.run();
  return values_of(run);
}

/// The largest error as a share of its bound: above 1 it is too large. Infinite for a NaN.
double error_of(const NodeRun& run, const std::vector<float>& want) {
  const Closeness found = compare(values_of(run), want, tolerance_of(run.node().dst().dtype));
  return found.worst / found.bound;
}

OrderedJson agreement(const CheckedCard& card, const KernelEntry& entry, DType dtype,
                      const std::stop_token& stop) {
  std::mt19937 random(2024);
  int cases = 0, declined = 0, other_bits = 0;
  double worst = 0;
  std::string worst_case;
  for (const std::string& line : lines_of(small_shapes(), entry.op)) {
    check_stop(stop);
    const Graph graph = graph_of_case(line);
    const Op& op = graph.nodes()[0].op;
    const std::vector<CaseTensor> tensors = random_sources(graph, dtype, random);
    NodeRun run(card.backend, entry, op, sources_of(tensors));
    if (!run.has_kernel()) {
      ++declined;
      continue;
    }
    ++cases;
    fill(run, tensors);
    run.run();
    const std::vector<std::byte> once = run.result_bytes();
    run.run();
    if (run.result_bytes() != once) ++other_bits;
    const double error = error_of(run, expected(reference_backend(), op, tensors));
    if (error > worst || worst_case.empty()) {
      worst = error;
      worst_case = line;
    }
  }
  return {{"ok", worst <= 1 && other_bits == 0},
          {"cases", cases},
          {"declined", declined},
          {"worst", number(worst)},
          {"worst_case", worst_case},
          {"other_bits", other_bits}};
}

/// Seconds of a run that was made ready by an earlier one.
double seconds_of(NodeRun& run, const std::stop_token& stop) {
  for (int times = 1;; times *= 4) {
    check_stop(stop);
    const double begin = Trace::now();
    for (int i = 0; i < times; ++i) run.run();
    run.executor().wait_for(run.places().dst);
    const double seconds = Trace::now() - begin;
    if (seconds >= kLongRuns) return seconds / times;
  }
}

OrderedJson layer(const CheckedCard& card, const Case& wanted, const std::stop_token& stop) {
  const Graph graph = graph_of_case(wanted.line);
  const Op& op = graph.nodes()[0].op;
  std::mt19937 random(2024);
  const std::vector<CaseTensor> tensors = random_sources(graph, wanted.dtype, random);
  NodeRun run(card.backend, *wanted.entry, op, sources_of(tensors));
  fill(run, tensors);
  check_stop(stop);
  const double begin = Trace::now();
  run.run();
  run.executor().wait_for(run.places().dst);
  const double first = Trace::now() - begin;
  const double seconds = seconds_of(run, stop);
  const double error = error_of(run, expected(cpu_backend(), op, tensors));
  auto moved = static_cast<double>(run.node().dst().bytes());
  for (const CaseTensor& tensor : tensors) moved += static_cast<double>(tensor.type.bytes());
  OrderedJson json{{"ok", error <= 1},
                   {"kernel", wanted.entry->name},
                   {"dtype", name_of(wanted.dtype)},
                   {"case", wanted.line},
                   {"seconds", seconds},
                   {"first_seconds", first},
                   {"gb_s", moved / seconds / 1e9},
                   {"worst", number(error)}};
  if (has_output_channels(op) || wanted.entry->op == Attention::kName)
    json["gflops"] = run.node().operations() / seconds / 1e9;
  return json;
}

bool is_left_out(const CheckedCard& card, const Graph& graph) {
  if (!card.is_small()) return false;
  if (graph.cost() > kMostSoftwareOperations) return true;
  const Node& node = graph.nodes()[0];
  return std::any_of(node.src.begin(), node.src.end(), [&](ValueId id) {
    return graph.type(id).shape.elements() > kMostSoftwareElements;
  });
}

/// Whether the kernel takes the case.
bool accepts(const CheckedCard& card, const Case& wanted, const Graph& graph) {
  std::vector<NodeRun::Source> sources;
  for (ValueId id : graph.nodes()[0].src) {
    const ValueInfo& value = graph.values()[static_cast<std::size_t>(id)];
    sources.push_back({value.type, value.kind == ValueKind::kWeight});
    TensorType& type = sources.back().type;
    if (takes_dtype(value)) type.dtype = wanted.dtype;
  }
  return NodeRun(card.backend, *wanted.entry, graph.nodes()[0].op, sources).has_kernel();
}

}  // namespace

std::vector<CheckPiece> agreements(const CheckedCard& card) {
  std::vector<CheckPiece> pieces;
  for (const KernelEntry& entry : card.backend.kernels()) {
    const std::vector<std::string> lines = lines_of(small_shapes(), entry.op);
    if (lines.empty()) continue;
    for (const DType dtype : types_of(card, lines.front())) {
      const bool has_case = std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
        return accepts(card, {&entry, line, dtype}, graph_of_case(line));
      });
      if (!has_case) continue;
      pieces.push_back({"agreement", fmt::format("{} in {}", entry.name, name_of(dtype)),
                        [&card, &entry, dtype](const std::stop_token& stop) {
                          return agreement(card, entry, dtype, stop);
                        }});
    }
  }
  return pieces;
}

std::vector<CheckPiece> layers(const CheckedCard& card) {
  std::vector<CheckPiece> pieces;
  for (const KernelEntry& entry : card.backend.kernels()) {
    for (const std::string& line : lines_of(layer_shapes(), entry.op)) {
      const Graph graph = graph_of_case(line);
      if (is_left_out(card, graph)) continue;
      for (const DType dtype : types_of(card, line)) {
        const Case wanted{&entry, line, dtype};
        if (!accepts(card, wanted, graph)) continue;
        pieces.push_back(
            {"layer", fmt::format("{} in {}: {}", entry.name, name_of(dtype), line),
             [&card, wanted](const std::stop_token& stop) { return layer(card, wanted, stop); }});
      }
    }
  }
  return pieces;
}

}  // namespace semblance::checking
