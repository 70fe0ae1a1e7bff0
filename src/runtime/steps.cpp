#include "runtime/steps.h"

#include <set>

#include "core/integers.h"
#include "graph/views.h"
#include "runtime/kernel_cache.h"
#include "runtime/kernel_needs.h"

namespace semblance {
namespace {

Step::Kind kind_of(const Program& program, std::size_t n) {
  const Node& node = program.graph.nodes()[n];
  const Plan& plan = program.plan;
  if (plan.is_view[n]) return Step::Kind::kNothing;
  if (is_run_by_kernel(program.graph, node)) return Step::Kind::kKernel;
  if (reads_rows(program.graph, node)) return Step::Kind::kRows;
  if (std::holds_alternative<Spill>(node.op) && plan.in_file[at(node.dst)])
    return Step::Kind::kSpill;
  if (std::holds_alternative<Fetch>(node.op) && plan.in_file[at(node.src[0])])
    return Step::Kind::kFetch;
  return Step::Kind::kNothing;
}

}  // namespace

std::vector<Step> make_steps(const Program& program, const Backend& backend) {
  const Graph& graph = program.graph;
  std::vector<Step> steps(graph.nodes().size());
  KernelCache often, once;  // apart, because kernels are made and released by use
  for (std::size_t n = 0; n < steps.size(); ++n) {
    Step& step = steps[n];
    step.kind = kind_of(program, n);
    step.name = program.plan.is_view[n] ? "view" : name_of(graph.nodes()[n].op);
    if (step.kind != Step::Kind::kKernel) continue;
    KernelCache& cache = program.plan.runs_once[n] ? once : often;
    const SharedKernel shared = cache.choose(backend, NodeView(graph, graph.nodes()[n]));
    step.kernel = shared.kernel;
    step.name = shared.entry->name;
  }
  std::set<const Kernel*> seen;
  for (Step& step : steps)
    step.first_use = step.kernel != nullptr && seen.insert(step.kernel.get()).second;
  seen.clear();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step)
    step->last_use = step->kernel != nullptr && seen.insert(step->kernel.get()).second;
  return steps;
}

DevicePlace place_of(const Plan& plan, ValueId value) {
  SEMBLANCE_ASSERT(!plan.in_file[at(value)]);
  return {Region::kArena, plan.values[at(value)].offset, plan.values[at(value)].bytes};
}

DevicePlace place_of(const WeightUse& use) {
  const Region region = use.keep == Keep::kPacked ? Region::kResident : Region::kArena;
  return {region, use.packed.offset, use.packed.bytes};
}

void prepare_steps(const Program& program, Executor& executor, std::vector<Step>& steps) {
  const Plan& plan = program.plan;
  auto weight = plan.node_weights.begin();  // sorted by node
  for (std::size_t n = 0; n < steps.size(); ++n) {
    if (steps[n].kind != Step::Kind::kKernel) continue;
    const Node& node = program.graph.nodes()[n];
    KernelPlaces places;
    for (ValueId id : node.src) {
      const bool is_weight = program.graph.values()[at(id)].kind == ValueKind::kWeight;
      places.src.push_back(is_weight ? DevicePlace{} : place_of(plan, id));
    }
    places.dst = place_of(plan, node.dst);
    places.scratch = {Region::kArena, plan.scratch[n].offset, plan.scratch[n].bytes};
    while (weight != plan.node_weights.end() && weight->node < static_cast<int>(n)) ++weight;
    for (; weight != plan.node_weights.end() && weight->node == static_cast<int>(n); ++weight)
      places.src[at(weight->src)] = place_of(plan.weights[at(weight->use)]);
    steps[n].command = executor.prepare(*steps[n].kernel, places);
  }
}

}  // namespace semblance
