#include "planner/passes.h"

#include <map>

#include "core/error.h"
#include "core/integers.h"

namespace semblance {

std::string_view name_of(Pass pass) {
  switch (pass) {
    case Pass::kSplitGroupNorms:
      return "split group norms";
    case Pass::kChoose:
      return "choose";
    case Pass::kEmit:
      return "emit";
    case Pass::kRegroup:
      return "regroup";
    case Pass::kSpill:
      return "spill";
    case Pass::kPlace:
      return "place";
  }
  return "";
}

namespace {

std::map<std::string, TensorType> interface_of(const Graph& graph) {
  std::map<std::string, TensorType> types;
  for (const ValueInfo& value : graph.values()) {
    if (value.kind == ValueKind::kInput) types["in " + value.name] = value.type;
  }
  for (const auto& [name, value] : graph.outputs()) types["out " + name] = graph.type(value);
  return types;
}

}  // namespace

void check_interface(const Graph& before, const Graph& after, Pass pass) {
  if (interface_of(before) == interface_of(after)) return;
  fail(ErrorKind::kInternal, "the pass '{}' changed the graph's inputs or outputs", name_of(pass));
}

}  // namespace semblance
