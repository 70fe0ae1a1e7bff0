#include "check/processor_bench.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "backend/backends.h"
#include "check/random_weights.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/stop.h"
#include "memory/budget.h"
#include "memory/scratch_file.h"
#include "pipeline/precision.h"
#include "pipeline/stage_graphs.h"
#include "pipeline/stages.h"
#include "runtime/machine_facts.h"
#include "runtime/trace.h"

namespace semblance {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int kTextTokens = 77;

/// What the pieces share.
struct Bench {
  BenchOptions options;
  AssumedModels models;
  DType dtype;
  Graph step;
  WeightMap weights;

  Workspace workspace(std::optional<std::uint64_t> places) const {
    Workspace::Options room;
    room.places_bytes = places;
    // Of the number of threads that is set: measured now if they are not known.
    room.facts = std::make_shared<const MachineFacts>(
        machine_facts(cpu_backend(), choose_scratch_folder({})));
    return Workspace(cpu_backend(), room).with_prices(dtype, 1);
  }
};

Bench bench_of(const BenchOptions& options) {
  Bench bench{.options = options,
              .models = assume_models(options.models.value_or(ModelPaths())),
              .dtype = dtype_of(options.precision, cpu_backend()),
              .step = {},
              .weights = {}};
  Request request;
  request.width = options.size.w;
  request.height = options.size.h;
  bench.step = step_graph(bench.models.models, request, kTextTokens,
                          {.identity = 1, .is_guided = true, .adapter = 1}, bench.dtype);
  bench.weights = checking::random_weights(bench.step);
  return bench;
}

OrderedJson measure_rates(const Bench& bench, const std::stop_token& stop) {
  check_stop(stop);
  const MachineFacts facts =
      machine_facts(cpu_backend(), choose_scratch_folder({}), {.refresh = true});
  const KernelRates& rates = bench.dtype == DType::kF32 ? facts.f32 : facts.half;
  return {{"ok", true},
          {"threads", threads()},
          {"linear_gflops", rates.linear / 1e9},
          {"conv_gflops", rates.wide_conv / 1e9},
          {"attention_gflops", rates.attention / 1e9},
          {"pack_gb_s", rates.pack / 1e9},
          {"cached_read_gb_s", facts.cached_read / 1e9},
          {"disk_read_gb_s", facts.disk_read / 1e9}};
}

OrderedJson measure_step(const Bench& bench, std::optional<std::uint64_t> places,
                         const std::stop_token& stop) {
  OrderedJson json{{"ok", true}, {"threads", threads()}, {"fits", true}};
  try {
    Session session(bench.step, cpu_backend(), WeightView(bench.weights),
                    bench.workspace(places).for_many_runs(), stop);
    checking::set_random_inputs(session, bench.step);
    const auto run = [&] {
      const double begin = Trace::now();
      session.run(stop);
      return Trace::now() - begin;
    };
    json["memory_bytes"] = session.plan().memory_bytes();
    json["resident_bytes"] = session.plan().resident_bytes;
    json["first_seconds"] = run();
    const StreamTimes before = session.stream_times();
    json["seconds"] = run();
    json["streamed_bytes"] = session.stream_times().weight_bytes - before.weight_bytes;
    json["predicted_seconds"] = session.predicted_seconds();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kMemory) throw;
    json["fits"] = false;
  }
  return json;
}

OrderedJson measure_decode(const Bench& bench, const std::stop_token& stop) {
  const Stage stage = decoder_stage(bench.models.models, bench.options.size, bench.dtype);
  const Graph graph = stage.graph();
  const WeightMap weights = checking::random_weights(graph);
  const double begin = Trace::now();
  Session session(graph, cpu_backend(), WeightView(weights),
                  bench.workspace(bench.options.memory.front()).for_one_run(), stop);
  checking::set_random_inputs(session, graph);
  session.run(stop);
  return {{"ok", true}, {"threads", threads()}, {"seconds", Trace::now() - begin}};
}

}  // namespace

std::vector<CheckPiece> processor_bench(const BenchOptions& options) {
  const auto bench = std::make_shared<Bench>(bench_of(options));
  std::vector<CheckPiece> pieces;
  pieces.push_back({"rates", "kernels",
                    [bench](const std::stop_token& stop) { return measure_rates(*bench, stop); }});
  const auto add_step = [&](std::optional<std::uint64_t> places, int count) {
    pieces.push_back({"step", places ? bytes_text(*places) : std::string("all weights in memory"),
                      [bench, places, count](const std::stop_token& stop) {
                        const int before = threads();
                        set_threads(count);
                        OrderedJson json = measure_step(*bench, places, stop);
                        set_threads(before);
                        return json;
                      }});
  };
  for (const auto& places : options.memory) add_step(places, threads());
  for (const int count : options.threads) add_step(options.memory.front(), count);
  pieces.push_back({"decode", "",
                    [bench](const std::stop_token& stop) { return measure_decode(*bench, stop); }});
  return pieces;
}

}  // namespace semblance
