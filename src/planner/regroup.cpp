#include "planner/regroup.h"

#include <map>

namespace semblance {

ValueId copy_source(const Graph& from, ValueId value, Graph& to) {
  const ValueInfo& info = from.values()[at(value)];
  SEMBLANCE_ASSERT(info.kind != ValueKind::kResult);
  return info.kind == ValueKind::kInput ? to.add_input(info.name, info.type)
                                        : to.add_weight(info.name, info.type, info.rows);
}

GraphCopy::GraphCopy(const Graph& from) : from_(from), map_(from.values().size(), -1) {
  for (std::size_t i = 0; i < map_.size(); ++i) {
    if (from.values()[i].kind == ValueKind::kInput) of(static_cast<ValueId>(i));
  }
}

ValueId GraphCopy::of(ValueId value) {
  ValueId& here = map_[at(value)];
  if (here < 0) here = copy_source(from_, value, graph_);
  return here;
}

std::vector<ValueId> GraphCopy::of(const std::vector<ValueId>& values) {
  std::vector<ValueId> here;
  here.reserve(values.size());
  for (ValueId value : values) here.push_back(of(value));
  return here;
}

Graph GraphCopy::finish() {
  for (const auto& [name, value] : from_.outputs()) graph_.add_output(name, of(value));
  return std::move(graph_);
}

Lowered reordered(const Graph& graph, const std::vector<int>& order, const std::vector<int>& epochs,
                  const std::vector<ValueId>& file_inputs) {
  GraphCopy copy(graph);
  Lowered result;
  for (int n : order) {
    const Node& node = graph.nodes()[at(n)];
    copy.set(node.dst, copy.graph().add(node.op, copy.of(node.src)));
    result.epoch.push_back(epochs[at(n)]);
  }
  result.file_inputs = copy.of(file_inputs);
  result.graph = copy.finish();
  return result;
}

Lowered regroup_pictures(const Lowered& lowered, const std::vector<int>& pictures) {
  const Graph& graph = lowered.graph;
  std::vector<int> order;
  std::map<int, std::vector<int>> run;
  std::vector<bool> in_run(graph.values().size());
  const auto flush = [&] {
    for (auto& [picture, nodes] : run) {
      for (int n : nodes) {
        order.push_back(n);
        in_run[static_cast<std::size_t>(graph.nodes()[at(n)].dst)] = false;
      }
    }
    run.clear();
  };
  for (int n = 0; n < static_cast<int>(graph.nodes().size()); ++n) {
    const Node& node = graph.nodes()[at(n)];
    const int picture = pictures[at(n)];
    if (picture >= 0) {
      run[picture].push_back(n);
      in_run[at(node.dst)] = true;
      continue;
    }
    for (ValueId src : node.src) {
      if (in_run[at(src)]) {
        flush();
        break;
      }
    }
    order.push_back(n);
  }
  flush();
  return reordered(graph, order, lowered.epoch, lowered.file_inputs);
}

}  // namespace semblance
