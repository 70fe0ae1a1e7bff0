#include "runtime/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/convert.h"
#include "core/integers.h"
#include "core/stop.h"
#include "memory/base_memory.h"
#include "memory/heap.h"
#include "memory/memory_scratch.h"
#include "runtime/spill_feed.h"
#include "runtime/steps.h"
#include "runtime/table_rows.h"
#include "runtime/trace.h"
#include "runtime/weight_feed.h"

namespace semblance {

Program plan_session(const Graph& graph, KernelNeeds& kernels, const SessionOptions& options) {
  const NeedsOf needs = [&](const Graph& g, const Node& node) { return kernels.of(g, node); };
  Fitter fitter(graph, needs, options.fit);
  std::optional<Program> program = fitter.fit(options.fit.memory_bytes);
  if (!program) {
    fail(ErrorKind::kMemory, "cannot fit: needs at least {} bytes, got {}", fitter.least_memory(),
         options.fit.memory_bytes);
  }
  // Every plan is checked before it runs; this takes a few milliseconds.
  check_plan(program->graph, program->needs, program->plan, options.fit.steady_inputs);
  return std::move(*program);
}

namespace {

Program planned(const Graph& graph, const Backend& backend, const WeightView& weights,
                const SessionOptions& options, const std::stop_token& stop) {
  KernelNeeds needs(backend, weights, options.seconds, stop_check(stop));
  SessionOptions with_slabs = options;
  with_slabs.fit.slab_bytes = backend.device().slab_bytes();
  Program program = plan_session(graph, needs, with_slabs);
  program.needs = {};  // no longer needed
  check_stop(stop);
  return program;
}

}  // namespace

struct Session::State {
  template <typename Bytes>
  struct View {
    ValueId value;
    std::span<Bytes> bytes;
  };

  const Program program;
  Trace* const trace;
  const bool releases_kernels;
  std::vector<Step> steps;
  WeightFeed weights;
  std::vector<TableRows> tables;  // of the kRows steps, in order
  std::unique_ptr<Executor> executor;
  std::optional<SpillFeed> spills;  // only if the plan uses the file
  RunTimes times;
  bool once_done = false;  // nodes that run once need not run: what they read has not changed
  std::vector<ValueId> steady_inputs;
  std::vector<View<std::byte>> written;     // inputs written since the last run
  std::vector<View<const std::byte>> read;  // outputs read since the last run

  State(const Graph& graph, const Backend& backend, const WeightView& weight_map,
        const SessionOptions& options, const std::stop_token& stop, KeptWeights kept);

  const Graph& graph() const { return program.graph; }
  const Plan& plan() const { return program.plan; }
  void find_tables(const WeightView& weight_map);
  void compile(const std::stop_token& stop);
  void take_memory(const Backend& backend, const SessionOptions& options, KeptWeights kept);
  std::span<std::byte> write(ValueId input);
  void close_views();
  void run(const std::stop_token& stop);
  void run_step(std::size_t n, std::size_t& next_table);
  void read_rows(const Node& node, TableRows& table);
};

Session::State::State(const Graph& graph, const Backend& backend, const WeightView& weight_map,
                      const SessionOptions& options, const std::stop_token& stop, KeptWeights kept)
    : program(planned(graph, backend, weight_map, options, stop)),
      trace(options.trace),
      releases_kernels(options.release_kernels),
      steps(make_steps(program, backend)),
      weights(program, steps, weight_map) {
  find_tables(weight_map);
  for (std::size_t n = 0; n < steps.size(); ++n)
    times.add_node(steps[n].name, program.graph.cost(program.graph.nodes()[n]));
  for (const std::string& name : options.fit.steady_inputs)
    steady_inputs.push_back(program.graph.find_input(name));
  if (!releases_kernels) compile(stop);
  trim_heap();
  drop_unmodified_code();
  take_memory(backend, options, std::move(kept));
}

void Session::State::find_tables(const WeightView& weight_map) {
  for (std::size_t n = 0; n < steps.size(); ++n) {
    if (steps[n].kind != Step::Kind::kRows) continue;
    const ValueId table = graph().nodes()[n].src[1];
    tables.emplace_back(find_weight(weight_map, graph().values()[at(table)]));
  }
}

void Session::State::compile(const std::stop_token& stop) {
  for (const Step& step : steps) {
    if (!step.first_use) continue;
    check_stop(stop);
    step.kernel->compile();
  }
}

void Session::State::take_memory(const Backend& backend, const SessionOptions& options,
                                 KeptWeights kept) {
  std::unique_ptr<Scratch> scratch;
  if (plan().file_bytes > 0) {
    scratch = plan().file_in_memory ? std::make_unique<MemoryScratch>(plan().file_bytes)
                                    : options.scratch(plan().file_bytes);
  }
  const RegionBytes bytes{plan().arena_bytes, plan().resident_bytes};
  if (kept.executor) {
    try {
      executor = std::move(kept.executor);
      executor->restart(bytes, weights.take_over(kept.weights));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kMemory) throw;
      executor.reset();
      weights.lose();
    }
  }
  if (!executor) executor = backend.device().make_executor(bytes);
  prepare_steps(program, *executor, steps);
  weights.take_memory(*executor, trace);
  if (scratch) spills.emplace(program, *executor, std::move(scratch), trace);
}

std::span<std::byte> Session::State::write(ValueId input) {
  if (std::ranges::find(steady_inputs, input) != steady_inputs.end()) once_done = false;
  for (const auto& view : written) {
    if (view.value == input) return view.bytes;
  }
  written.push_back({input, executor->begin_write(place_of(plan(), input))});
  return written.back().bytes;
}

void Session::State::close_views() {
  for (const auto& view : written) executor->end_write(place_of(plan(), view.value));
  for (const auto& view : read) executor->end_read(place_of(plan(), view.value));
  written.clear();
  read.clear();
}

void Session::State::read_rows(const Node& node, TableRows& table) {
  const DevicePlace src = place_of(plan(), node.src[0]);
  const DevicePlace dst = place_of(plan(), node.dst);
  const std::span<const std::byte> ids = executor->begin_read(src);
  table.read({reinterpret_cast<const std::int32_t*>(ids.data()), ids.size() / sizeof(std::int32_t)},
             graph().type(node.dst).dtype, executor->begin_write(dst));
  executor->end_write(dst);
  executor->end_read(src);
}

void Session::State::run_step(std::size_t n, std::size_t& next_table) {
  const Step& step = steps[n];
  if (spills) spills->wait_for_sources(n);
  switch (step.kind) {
    case Step::Kind::kNothing:
      break;
    case Step::Kind::kSpill:
      spills->spill(n);
      break;
    case Step::Kind::kFetch:
      spills->fetch(n);
      break;
    case Step::Kind::kRows:
      read_rows(graph().nodes()[n], tables[next_table++]);
      break;
    case Step::Kind::kKernel:
      if (releases_kernels && step.first_use) step.kernel->compile();
      executor->run(step.command);
      if (releases_kernels && step.last_use) {
        step.kernel->release();
        trim_heap();
      }
  }
}

void Session::State::run(const std::stop_token& stop) {
  close_views();
  const bool skips = std::exchange(once_done, false);  // until the run is complete
  if (!skips) weights.load_once_again();
  weights.start(stop);
  if (spills) spills->start(stop);
  std::size_t next_table = 0;
  for (std::size_t n = 0; n < steps.size(); ++n) {
    if (plan().is_view[n] || (skips && plan().runs_once[n])) continue;
    check_stop(stop);
    const double start = Trace::now();
    if (spills) spills->free_places(static_cast<int>(n));
    weights.load(static_cast<int>(n));
    const double ready = Trace::now();
    run_step(n, next_table);
    const double end = Trace::now();
    if (trace != nullptr) trace->add(TraceRow::kCompute, steps[n].name, ready, end);
    times.add(n, ready - start, end - ready);
  }
  if (spills) spills->finish();
  weights.finish();
  once_done = true;
}

Session::Session(const Graph& graph, const Backend& backend, const WeightView& weights,
                 const SessionOptions& options, std::stop_token stop, KeptWeights kept)
    : state_(std::make_unique<State>(graph, backend, weights, options, stop, std::move(kept))) {}

Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Graph& Session::graph() const { return state_->graph(); }
const Plan& Session::plan() const { return state_->plan(); }
double Session::predicted_seconds() const { return state_->program.seconds; }

std::span<std::byte> Session::input(std::string_view name) {
  const ValueId id = state_->graph().find_input(name);
  SEMBLANCE_ASSERT(id >= 0);
  return state_->write(id);
}

bool Session::is_in_file(std::string_view name) const {
  const ValueId id = state_->graph().find_input(name);
  SEMBLANCE_ASSERT(id >= 0);
  return state_->plan().in_file[at(id)];
}

void Session::set_input(std::string_view name, std::span<const float> values) {
  const ValueId id = state_->graph().find_input(name);
  SEMBLANCE_ASSERT(id >= 0);
  const TensorType& type = state_->graph().type(id);
  const std::size_t set_bytes = values.size() * size_of(type.dtype);
  SEMBLANCE_ASSERT(is_float(type.dtype));
  if (type.bytes() == 0 && values.empty()) return;
  SEMBLANCE_ASSERT(set_bytes > 0 && type.bytes() % set_bytes == 0);
  if (!is_in_file(name)) {
    const std::span<std::byte> all = state_->write(id);
    for (std::size_t begin = 0; begin < all.size(); begin += set_bytes)
      from_f32(values, type.dtype, all.subspan(begin, set_bytes));
    return;
  }
  // In pieces: converting it whole would hold in memory what was too large for it.
  Buffer piece(std::size_t{1} << 20, Tag::kStaging);
  const std::size_t step = piece.size() / size_of(type.dtype);
  for (std::size_t begin = 0; begin < type.bytes(); begin += set_bytes) {
    for (std::size_t i = 0; i < values.size(); i += step) {
      const auto part = values.subspan(i, std::min(step, values.size() - i));
      const auto bytes = piece.bytes().first(part.size() * size_of(type.dtype));
      from_f32(part, type.dtype, bytes);
      state_->spills->write(id, begin + i * size_of(type.dtype), bytes);
    }
  }
}

void Session::set_input(std::string_view name, std::span<const std::int32_t> values) {
  const ValueId id = state_->graph().find_input(name);
  SEMBLANCE_ASSERT(id >= 0 && state_->graph().type(id).dtype == DType::kI32);
  const std::span<std::byte> bytes = state_->write(id);
  SEMBLANCE_ASSERT(bytes.size() == values.size_bytes());
  std::memcpy(bytes.data(), values.data(), bytes.size());
}

void Session::run(std::stop_token stop) {
  try {
    state_->run(stop);
  } catch (...) {
    // From here on, nothing may touch the device's memory.
    if (state_->spills) state_->spills->stop();
    state_->weights.stop();
    state_->executor->abandon();
    throw;
  }
}

KeptWeights Session::end() && {
  const std::unique_ptr<State> state = std::move(state_);
  const std::uint64_t bytes = state->plan().resident_bytes;
  if (bytes == 0 || !state->executor->keep_resident()) return {};
  return {state->weights.loaded(), std::move(state->executor), bytes};
}

std::span<const std::byte> Session::output(std::string_view name) const {
  State& s = *state_;
  const ValueId id = s.graph().find_output(name);
  SEMBLANCE_ASSERT(id >= 0);
  for (const auto& view : s.read) {
    if (view.value == id) return view.bytes;
  }
  s.read.push_back({id, s.executor->begin_read(place_of(s.plan(), id))});
  return s.read.back().bytes;
}

std::vector<float> Session::output_f32(std::string_view name) const {
  const std::span<const std::byte> bytes = output(name);
  const TensorType& type = state_->graph().type(state_->graph().find_output(name));
  std::vector<float> values(static_cast<std::size_t>(type.shape.elements()));
  to_f32(type.dtype, bytes, values);
  return values;
}

std::vector<KernelTime> Session::times() const { return state_->times.by_kernel(); }
const std::vector<KernelTime>& Session::node_times() const { return state_->times.by_node(); }

StreamTimes Session::stream_times() const {
  StreamTimes times;
  const WeightFeed::Counts weights = state_->weights.counts();
  times.weight_bytes = weights.bytes_read;
  times.weight_wait_seconds = weights.wait_seconds;
  if (state_->spills) {
    const ScratchMover::Counts counts = state_->spills->counts();
    times.spilled_bytes = counts.bytes_written;
    times.fetched_bytes = counts.bytes_read;
    times.scratch_wait_seconds = counts.wait_seconds;
  }
  return times;
}

}  // namespace semblance
