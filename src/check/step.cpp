#include <algorithm>
#include <cmath>
#include <cstring>

#include "check/pieces.h"
#include "check/random_weights.h"
#include "core/stop.h"
#include "memory/budget.h"
#include "pipeline/stage_graphs.h"
#include "pipeline/stages.h"
#include "runtime/trace.h"

namespace semblance::checking {
namespace {

constexpr int kTextTokens = 77;

Graph denoiser_graph(const CheckedCard& card, const OpenedModels& models) {
  const DType dtype = card.backend.half().value_or(DType::kF32);
  Request request;
  request.width = request.height = static_cast<int>(models.unet.sample_size * models.vae.fold());
  return step_graph(models, request, kTextTokens, {.identity = 1, .is_guided = true, .adapter = 1},
                    dtype);
}

/// The memory to try: the most that is of use or free, the least that is possible, and a value
/// between.
std::vector<std::uint64_t> budgets_of(const CheckedCard& card, const Graph& graph,
                                      const WeightMap& weights) {
  const SessionOptions options = Workspace(card.backend, {.device_room = {{}}}).for_many_runs();
  const WeightView view(weights);
  KernelNeeds kernels(card.backend, view, options.seconds);
  const NeedsOf needs = [&](const Graph& g, const Node& node) { return kernels.of(g, node); };
  const std::uint64_t least = least_memory(graph, needs, options.fit);
  SessionOptions unlimited = options;
  unlimited.fit.memory_bytes = ~std::uint64_t{0};
  const std::uint64_t whole = plan_session(graph, kernels, unlimited).plan.memory_bytes();
  const auto share =
      static_cast<std::uint64_t>(kAutoShare * static_cast<double>(card.card.memory().free_bytes));
  const std::uint64_t most = std::max(least, std::min(whole, share));
  const double between = std::sqrt(static_cast<double>(most) * static_cast<double>(least));
  return {most, static_cast<std::uint64_t>(between), least};
}

struct Step {
  OrderedJson json;
  std::vector<float> noise;
};

Step run_step(const CheckedCard& card, const Graph& graph, const WeightMap& weights,
              std::uint64_t budget, const std::stop_token& stop) {
  Workspace::Options room;
  room.device_room = {.bytes = budget, .is_separate = true};
  const Workspace workspace(card.backend, room);
  Session session(graph, card.backend, WeightView(weights), workspace.for_many_runs(), stop);
  set_random_inputs(session, graph);
  const auto run = [&] {
    const double begin = Trace::now();
    session.run(stop);
    session.output("noise");  // waits
    return Trace::now() - begin;
  };
  const Plan& plan = session.plan();
  Step step;
  step.json = {{"budget_bytes", budget},
               {"planned_bytes", plan.memory_bytes()},
               {"resident_bytes", plan.resident_bytes}};
  step.json["first_seconds"] = run();
  const StreamTimes before = session.stream_times();
  step.json["seconds"] = run();
  const StreamTimes after = session.stream_times();
  step.json["streamed_bytes"] = after.weight_bytes - before.weight_bytes;
  step.json["wait_seconds"] = after.weight_wait_seconds - before.weight_wait_seconds;
  step.json["predicted_seconds"] = session.predicted_seconds();
  step.noise = session.output_f32("noise");
  return step;
}

}  // namespace

OrderedJson step(const CheckedCard& card, const std::optional<ModelPaths>& demo,
                 const std::stop_token& stop) {
  // Without paths, the published models' sizes.
  const AssumedModels models = assume_models(card.is_small() && demo ? *demo : ModelPaths());
  const Graph graph = denoiser_graph(card, models.models);
  const WeightMap weights = random_weights(graph);
  OrderedJson json{{"ok", true}, {"budgets", OrderedJson::array()}};
  std::vector<float> first;
  bool same = true, finite = true;
  for (const std::uint64_t budget : budgets_of(card, graph, weights)) {
    check_stop(stop);
    Step one = run_step(card, graph, weights, budget, stop);
    json["budgets"].push_back(std::move(one.json));
    if (first.empty()) first = one.noise;
    // As bytes, since a NaN differs from itself.
    same &= std::memcmp(first.data(), one.noise.data(), first.size() * sizeof(float)) == 0;
    finite &= std::all_of(one.noise.begin(), one.noise.end(),
                          [](float value) { return std::isfinite(value); });
  }
  json["same_bits"] = same;
  json["finite"] = finite;
  json["ok"] = same && finite;
  return json;
}

}  // namespace semblance::checking
