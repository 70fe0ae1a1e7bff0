#include "planner/regroup.h"

#include <map>

namespace semblance {

ValueId copy_source(const Graph& from, ValueId value, Graph& to) {
  const ValueInfo& info = from.values()[static_cast<std::size_t>(value)];
  SEMBLANCE_ASSERT(info.kind != ValueKind::kResult);
  return info.kind == ValueKind::kInput ? to.add_input(info.name, info.type)
                                        : to.add_weight(info.name, info.type, info.rows);
}

Lowered reordered(const Graph& graph, const std::vector<int>& order, const std::vector<int>& epochs,
                  const std::vector<ValueId>& file_inputs) {
  Lowered result;
  std::vector<ValueId> map(graph.values().size(), -1);
  const auto mapped = [&](ValueId value) {
    ValueId& id = map[static_cast<std::size_t>(value)];
    if (id < 0) id = copy_source(graph, value, result.graph);
    return id;
  };
  for (std::size_t i = 0; i < graph.values().size(); ++i) {
    if (graph.values()[i].kind == ValueKind::kInput) mapped(static_cast<ValueId>(i));
  }
  for (int n : order) {
    const Node& node = graph.nodes()[static_cast<std::size_t>(n)];
    std::vector<ValueId> src;
    for (ValueId value : node.src) src.push_back(mapped(value));
    map[static_cast<std::size_t>(node.dst)] = result.graph.add(node.op, src);
    result.epoch.push_back(epochs[static_cast<std::size_t>(n)]);
  }
  for (const auto& [name, value] : graph.outputs()) result.graph.add_output(name, mapped(value));
  for (ValueId value : file_inputs) result.file_inputs.push_back(mapped(value));
  return result;
}

Lowered regroup_pictures(Graph graph, const std::vector<int>& pictures, std::vector<int> epochs,
                         std::vector<ValueId> file_inputs) {
  std::vector<int> order;
  std::map<int, std::vector<int>> run;
  std::vector<bool> in_run(graph.values().size());
  const auto flush = [&] {
    for (auto& [picture, nodes] : run) {
      for (int n : nodes) {
        order.push_back(n);
        in_run[static_cast<std::size_t>(graph.nodes()[static_cast<std::size_t>(n)].dst)] = false;
      }
    }
    run.clear();
  };
  for (int n = 0; n < static_cast<int>(graph.nodes().size()); ++n) {
    const Node& node = graph.nodes()[static_cast<std::size_t>(n)];
    const int picture = pictures[static_cast<std::size_t>(n)];
    if (picture >= 0) {
      run[picture].push_back(n);
      in_run[static_cast<std::size_t>(node.dst)] = true;
      continue;
    }
    for (ValueId src : node.src) {
      if (in_run[static_cast<std::size_t>(src)]) {
        flush();
        break;
      }
    }
    order.push_back(n);
  }
  flush();
  return reordered(graph, order, epochs, file_inputs);
}

}  // namespace semblance
