#include "runtime/explain.h"

#include <fmt/ranges.h>

#include <map>

#include "core/integers.h"
#include "runtime/kernel_needs.h"

namespace semblance {
namespace {

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

std::string kernels_text(const Program& program, const Backend& backend) {
  struct Row {
    int nodes = 0;
    double seconds = 0;
  };
  std::map<std::string, Row> rows;
  const Graph& graph = program.graph;
  for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    if (program.plan.is_view[n] || !is_run_by_kernel(graph, node)) continue;
    std::vector<std::string> declined;
    const std::string_view name =
        choose_kernel(backend, NodeView(graph, node), &declined).entry->name;
    std::string row = fmt::format("  {} by {}", name_of(node.op), name);
    for (const std::string& why : declined) row += "\n      declined by " + why;
    ++rows[row].nodes;
    rows[row].seconds += program.needs[n].seconds;
  }
  std::string text = "Kernels (nodes, predicted seconds of a run)\n";
  for (const auto& [name, row] : rows) {
    const std::size_t end = name.find('\n');
    text += fmt::format("{}: {}, {:.3f}{}\n", name.substr(0, end), row.nodes, row.seconds,
                        end == std::string::npos ? "" : name.substr(end));
  }
  return text;
}

std::string weights_text(const Program& program) {
  std::map<Keep, std::pair<int, std::uint64_t>> kept;
  for (const WeightUse& use : program.plan.weights) {
    auto& [count, bytes] = kept[use.keep];
    ++count;
    bytes += use.keep == Keep::kPacked ? use.packed.bytes : use.needs.raw_bytes;
  }
  const auto& [streamed, streamed_bytes] = kept[Keep::kStreamed];
  const auto& [resident, resident_bytes] = kept[Keep::kPacked];
  const auto& [once, once_bytes] = kept[Keep::kOnce];
  std::string text = fmt::format(
      "Weights\n  {} stay in memory, {:.1f} MiB packed\n  {} are read in every run, "
      "{:.1f} MiB\n",
      resident, mib(resident_bytes), streamed, mib(streamed_bytes));
  if (once > 0) {
    text += fmt::format("  {} are read in the first run, {:.1f} MiB: their results stay\n", once,
                        mib(once_bytes));
  }
  return text;
}

std::string scratch_text(const Program& program) {
  int spills = 0, fetches = 0;
  std::uint64_t written = 0, read = 0;
  const Graph& graph = program.graph;
  for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    if (program.plan.is_view[n]) continue;
    const std::uint64_t bytes = graph.type(node.dst).bytes();
    if (std::holds_alternative<Spill>(node.op)) ++spills, written += bytes;
    if (std::holds_alternative<Fetch>(node.op)) ++fetches, read += bytes;
  }
  return fmt::format("Scratch file\n  {} writes, {:.1f} MiB; {} reads, {:.1f} MiB\n", spills,
                     mib(written), fetches, mib(read));
}

}  // namespace

std::string explain(const Program& program, const PlanLog& log, const Backend& backend) {
  std::string text = kernels_text(program, backend) + weights_text(program) +
                     scratch_text(program) + "Kept results\n";
  for (std::size_t begin = 0; begin < log.choices.size();) {
    const std::size_t end = log.choices.find('\n', begin);
    text += "  " + log.choices.substr(begin, end - begin) + '\n';
    begin = end + 1;
  }
  text += "Passes\n";
  for (const PlanLog::Record& pass : log.passes)
    text += fmt::format("  {}: {:.1f} ms, {} nodes\n", name_of(pass.pass), pass.seconds * 1e3,
                        pass.nodes);
  return text;
}

}  // namespace semblance
