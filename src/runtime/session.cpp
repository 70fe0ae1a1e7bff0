#include "runtime/session.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <set>

#include "core/convert.h"
#include "core/integers.h"
#include "core/stop.h"
#include "memory/base_memory.h"
#include "memory/heap.h"
#include "memory/meter.h"
#include "runtime/kernel_cache.h"
#include "runtime/scratch_mover.h"
#include "runtime/trace.h"
#include "runtime/weight_packer.h"
#include "runtime/weight_rows.h"
#include "runtime/weight_stream.h"

namespace semblance {
namespace {

/// Of one read; past the page cache it takes as much beside the ring.
constexpr std::uint64_t kReadBytes = 1 << 20;

/// From this share on files count as cached.
constexpr double kCached = 0.98;

constexpr int kAfterAll = std::numeric_limits<int>::max();

/// Rows of a table by number, from the file: an embedding's table is never held.
struct Table {
  std::size_t node = 0;
  WeightRows rows;
  std::vector<std::byte> raw;
  std::vector<float> plain;

  Table(std::size_t node_index, WeightRows weight)
      : node(node_index),
        rows(std::move(weight)),
        raw(rows.tensor.row_bytes()),
        plain(at(rows.tensor.row_elements())) {}

  void read(std::span<const std::int32_t> ids, DType dtype, std::span<std::byte> dst) {
    const std::size_t row_bytes = plain.size() * size_of(dtype);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] < 0 || ids[i] >= rows.row_count()) {
        fail(ErrorKind::kShape,
             "token id {} is outside of the embedding table in {}, which has {} rows", ids[i],
             rows.tensor.file->name(), rows.row_count());
      }
      rows.read(ids[i], 1, raw, plain);
      from_f32(plain, dtype, dst.subspan(i * row_bytes, row_bytes));
    }
  }
};

}  // namespace

Program plan_session(const Graph& graph, KernelNeeds& kernels, const SessionOptions& options) {
  const NeedsOf needs = [&](const Graph& g, const Node& node) { return kernels.of(g, node); };
  Fitter fitter(graph, needs, options.fit);
  std::optional<Program> program = fitter.fit(options.fit.memory_bytes);
  if (!program) {
    fail(ErrorKind::kMemory, "cannot fit: at least {} bytes are needed, {} are there",
         fitter.least_memory(), options.fit.memory_bytes);
  }
  // No plan runs that the checker has not proven: some milliseconds.
  check_plan(program->graph, program->needs, program->plan);
  return std::move(*program);
}

struct Session::State {
  struct Step {
    Kernel* kernel = nullptr;  // none for what is not run by one
    std::string_view name;
    Operations operations = 0;
    std::vector<const std::byte*> src;
    std::byte* dst = nullptr;
    std::byte* scratch = nullptr;
    std::vector<int> fetches;       // nodes that bring what this one reads
    std::vector<std::size_t> uses;  // of weights that begin here
    bool first_use = false;         // of the kernel
    bool last_use = false;
    int calls = 0;
    double run_seconds = 0;
    double read_seconds = 0;
  };
  struct Pending {
    int before;
    ScratchMover::Ticket ticket;
  };

  Program program;
  std::vector<std::shared_ptr<Kernel>> kernels;
  std::vector<Step> steps;
  std::vector<WeightRows> stored;    // by use
  std::vector<const Kernel*> packs;  // by use: whose layout it has
  std::vector<int> packs_src;        // by use
  std::vector<std::size_t> owner;    // by use: the first use of the same resident place
  std::vector<bool> loaded;          // by use, of those that stay
  std::vector<Table> tables;
  Buffer arena, ring, resident, staging;
  std::unique_ptr<Scratch> scratch;
  Trace* trace = nullptr;
  bool pass_cache = false;
  bool reads_inline = false;  // the page cache holds the files: nothing is to be read ahead
  std::uint64_t inline_bytes = 0;
  bool releases = false;  // kernels' code after its last use
  std::optional<WeightStream> stream;
  std::vector<std::size_t> streamed;  // uses, by chunk of the stream
  bool stream_loads = false;          // whether what stays is among them
  std::optional<ScratchMover> mover;
  std::vector<ScratchMover::Ticket> tickets;  // by node
  std::vector<Pending> pending;
  StreamTimes before;  // of streams that are gone

  const Graph& graph() const { return program.graph; }
  const Plan& plan() const { return program.plan; }
  const ValueInfo& value(ValueId id) const { return graph().values()[at(id)]; }
  std::span<std::byte> place(const Buffer& region, const Place& place) const {
    SEMBLANCE_ASSERT(place.offset <= region.size() && place.bytes <= region.size() - place.offset);
    return region.bytes().subspan(place.offset, place.bytes);
  }
  std::span<std::byte> bytes_of(ValueId id) const { return place(arena, plan().values[at(id)]); }

  void prepare(const Backend& backend, const WeightMap& weights);
  void prepare_weights(const WeightMap& weights);
  void find_fetches();
  void take_memory();
  bool cache_would_hold_weights() const;
  bool is_cached() const;
  void make_stream();
  void run(const std::stop_token& stop);
  void run_step(std::size_t n);
  void load(std::size_t use, std::size_t chunk);
  void wait_for_places(int node);
};

void Session::State::prepare(const Backend& backend, const WeightMap& weights) {
  const std::size_t count = graph().nodes().size();
  steps.resize(count);
  KernelCache cache;
  for (std::size_t n = 0; n < count; ++n) {
    const Node& node = graph().nodes()[n];
    Step& step = steps[n];
    if (plan().silent[n]) {
      step.name = "view";
      continue;
    }
    step.name = name_of(node.op);
    if (is_run_by_kernel(graph(), node)) {
      const SharedKernel shared = cache.choose(backend, NodeView(graph(), node));
      step.kernel = shared.kernel.get();
      step.name = shared.name;
      if (kernels.empty() || kernels.back() != shared.kernel) kernels.push_back(shared.kernel);
    }
    step.operations = graph().cost(node);
    if (reads_rows(graph(), node)) tables.emplace_back(n, find_weight(weights, value(node.src[1])));
  }
  std::set<const Kernel*> seen;
  for (Step& step : steps)
    step.first_use = step.kernel != nullptr && seen.insert(step.kernel).second;
  seen.clear();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step)
    step->last_use = step->kernel != nullptr && seen.insert(step->kernel).second;
  std::sort(kernels.begin(), kernels.end());
  kernels.erase(std::unique(kernels.begin(), kernels.end()), kernels.end());
}

void Session::State::prepare_weights(const WeightMap& weights) {
  packs.resize(plan().weights.size());
  packs_src.resize(plan().weights.size());
  for (const NodeWeight& used : plan().node_weights) {
    if (packs[at(used.use)] != nullptr) continue;
    packs[at(used.use)] = steps[at(used.node)].kernel;
    packs_src[at(used.use)] = used.src;
  }
  std::vector<std::pair<std::uint64_t, std::size_t>> first;  // of resident places
  for (std::size_t i = 0; i < plan().weights.size(); ++i) {
    const WeightUse& use = plan().weights[i];
    stored.push_back(find_weight(weights, value(use.weight)));
    steps[at(use.first_node)].uses.push_back(i);
    if (use.keep == Keep::kPacked) first.emplace_back(use.packed.offset, i);
  }
  std::stable_sort(first.begin(), first.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  owner.resize(plan().weights.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    const bool same = i > 0 && first[i - 1].first == first[i].first;
    owner[first[i].second] = same ? owner[first[i - 1].second] : first[i].second;
  }
  loaded.resize(plan().weights.size());
}

/// Which nodes must wait for which Fetch: those that read its result, through views, too.
void Session::State::find_fetches() {
  std::vector<int> fetch(graph().values().size(), -1);
  for (std::size_t n = 0; n < graph().nodes().size(); ++n) {
    const Node& node = graph().nodes()[n];
    if (std::holds_alternative<Fetch>(node.op)) {
      fetch[at(node.dst)] = static_cast<int>(n);
      continue;
    }
    for (ValueId src : node.src) {
      const int from = fetch[at(src)];
      if (from < 0) continue;
      if (plan().silent[n]) {
        fetch[at(node.dst)] = std::max(fetch[at(node.dst)], from);
      } else if (std::find(steps[n].fetches.begin(), steps[n].fetches.end(), from) ==
                 steps[n].fetches.end()) {
        steps[n].fetches.push_back(from);
      }
    }
  }
  tickets.resize(graph().nodes().size());
}

void Session::State::take_memory() {
  arena = Buffer(plan().arena_bytes, Tag::kActivations);
  ring = Buffer(plan().ring_bytes, Tag::kRing);
  resident = Buffer(plan().resident_bytes, Tag::kWeights);
  staging = Buffer(plan().staging_bytes, Tag::kStaging);
  for (std::size_t n = 0; n < steps.size(); ++n) {
    if (plan().silent[n]) continue;
    const Node& node = graph().nodes()[n];
    Step& step = steps[n];
    for (ValueId id : node.src) {
      const bool in_arena = value(id).kind != ValueKind::kWeight && !plan().in_file[at(id)];
      step.src.push_back(in_arena ? bytes_of(id).data() : nullptr);
    }
    if (!plan().in_file[at(node.dst)]) step.dst = bytes_of(node.dst).data();
    step.scratch = place(arena, plan().scratch[n]).data();
  }
  for (const NodeWeight& used : plan().node_weights) {
    const WeightUse& use = plan().weights[at(used.use)];
    const Buffer& region = use.keep == Keep::kPacked ? resident : arena;
    steps[at(used.node)].src[at(used.src)] = place(region, use.packed).data();
  }
  if (plan().file_bytes > 0) {
    SEMBLANCE_ASSERT(scratch != nullptr && scratch->size() >= plan().file_bytes);
    mover.emplace(*scratch, 256, trace);
    pending.reserve(256);
  }
}

/// Whether the system's page cache can keep the streamed weights until the next run. Else they pass
/// it by: nothing would come from it, and it would push out what others need.
bool Session::State::cache_would_hold_weights() const {
  std::uint64_t bytes = 0;
  for (const WeightUse& use : plan().weights) {
    if (use.keep == Keep::kStreamed) bytes += use.needs.raw_bytes;
  }
  return bytes + plan().memory_bytes() <= Meter().available_bytes();
}

/// Whether the page cache holds what the stream would read, and there is place to read it by all
/// threads at once.
bool Session::State::is_cached() const {
  std::set<const File*> files;
  for (std::size_t use : streamed) files.insert(stored[use].tensor.file.get());
  if (cached_share(files) < kCached) return false;
  return std::all_of(streamed.begin(), streamed.end(), [&](std::size_t use) {
    return raw_staging_bytes(*packs[use], packs_src[use],
                             value(plan().weights[use].weight).type.shape,
                             stored[use].tensor.dtype) <= ring.size();
  });
}

/// The stream of a run: what is streamed, and what stays and is not loaded yet.
void Session::State::make_stream() {
  const auto missing = [&](std::size_t i) {
    return plan().weights[i].keep == Keep::kPacked && owner[i] == i && !loaded[i];
  };
  bool loads = false;
  for (std::size_t i = 0; i < plan().weights.size(); ++i) loads |= missing(i);
  if ((stream || reads_inline) && !loads && !stream_loads) return;
  if (stream) {
    const WeightStream::Counts counts = stream->counts();
    before.weight_bytes += counts.bytes_read;
    before.weight_wait_seconds += counts.wait_seconds;
    stream.reset();
  }
  streamed.clear();
  for (std::size_t i = 0; i < plan().weights.size(); ++i) {
    if (plan().weights[i].keep == Keep::kStreamed || missing(i)) streamed.push_back(i);
  }
  stream_loads = loads;
  reads_inline = !streamed.empty() && is_cached();
  if (streamed.empty() || reads_inline) return;
  std::vector<WeightStream::Chunk> chunks;
  for (std::size_t use : streamed) {
    WeightStream::Chunk chunk{
        .name = trace != nullptr ? value(plan().weights[use].weight).name : std::string(),
        .pieces = {}};
    for (const FilePiece& piece : stored[use].pieces())
      chunk.pieces.push_back({stored[use].tensor.file, piece.offset, piece.bytes});
    chunks.push_back(std::move(chunk));
  }
  WeightStream::Options options;
  options.cache = pass_cache ? WeightStream::Cache::kPass : WeightStream::Cache::kKeep;
  options.read_bytes = kReadBytes;
  options.trace = trace;
  stream.emplace(ring.bytes(), std::move(chunks), options);
}

void Session::State::load(std::size_t index, std::size_t chunk) {
  const WeightUse& use = plan().weights[index];
  const PackedWeight target{*packs[index], packs_src[index], value(use.weight).type.shape,
                            staging.bytes(),
                            place(use.keep == Keep::kPacked ? resident : arena, use.packed)};
  double begin = Trace::now();
  if (reads_inline) {
    read_and_pack(target, stored[index], ring.bytes());
    inline_bytes += use.needs.raw_bytes;
  } else {
    const std::span<const std::byte> raw = stream->wait(chunk);
    begin = Trace::now();
    pack(target, stored[index].tensor.dtype, raw);
    stream->release(chunk);
  }
  if (trace != nullptr) {
    trace->add(TraceRow::kCompute, reads_inline ? "read" : "pack", begin, Trace::now(),
               use.needs.raw_bytes);
  }
}

/// Spills whose sources' places are written from this node on must be in the file.
void Session::State::wait_for_places(int node) {
  ScratchMover::Ticket last = 0;
  for (const Pending& spill : pending) {
    if (spill.before <= node) last = std::max(last, spill.ticket);
  }
  if (last == 0) return;
  mover->wait(last);
  std::erase_if(pending, [&](const Pending& spill) { return spill.ticket <= last; });
}

void Session::State::run_step(std::size_t n) {
  const Node& node = graph().nodes()[n];
  Step& step = steps[n];
  if (std::holds_alternative<Spill>(node.op) && plan().in_file[at(node.dst)]) {
    for (int fetch : step.fetches) mover->wait(tickets[at(fetch)]);
    if (pending.size() == pending.capacity()) wait_for_places(kAfterAll);
    pending.push_back(
        {plan().spilled_before[n],
         mover->enqueue_write(plan().values[at(node.dst)].offset, bytes_of(node.src[0]))});
  } else if (std::holds_alternative<Fetch>(node.op) && plan().in_file[at(node.src[0])]) {
    tickets[n] = mover->enqueue_read(plan().values[at(node.src[0])].offset, bytes_of(node.dst));
  } else if (step.kernel != nullptr) {
    for (int fetch : step.fetches) mover->wait(tickets[at(fetch)]);
    if (releases && step.first_use) step.kernel->compile();
    step.kernel->run({step.src, step.dst, step.scratch});
    if (releases && step.last_use) {
      step.kernel->release();
      trim_heap();
    }
  } else if (reads_rows(graph(), node)) {
    const auto table = std::find_if(tables.begin(), tables.end(),
                                    [n](const Table& entry) { return entry.node == n; });
    const std::span<std::byte> ids = bytes_of(node.src[0]);
    table->read(
        {reinterpret_cast<const std::int32_t*>(ids.data()), ids.size() / sizeof(std::int32_t)},
        graph().type(node.dst).dtype, bytes_of(node.dst));
  }
}

void Session::State::run(const std::stop_token& stop) {
  if (stream) stream->start(stop, !stream_loads);
  if (mover) mover->start(stop);
  pending.clear();
  std::size_t chunk = 0;
  for (std::size_t n = 0; n < steps.size(); ++n) {
    if (plan().silent[n]) continue;
    check_stop(stop);
    Step& step = steps[n];
    const double start = Trace::now();
    if (mover) wait_for_places(static_cast<int>(n));
    for (std::size_t use : step.uses) {
      if (chunk == streamed.size() || streamed[chunk] != use) continue;
      load(use, chunk++);
      loaded[use] = plan().weights[use].keep == Keep::kPacked;
    }
    const double ready = Trace::now();
    run_step(n);
    const double end = Trace::now();
    if (trace != nullptr) trace->add(TraceRow::kCompute, step.name, ready, end);
    ++step.calls;
    step.read_seconds += ready - start;
    step.run_seconds += end - ready;
  }
  if (mover) wait_for_places(kAfterAll);
  make_stream();  // without what stays from now on
}

Session::Session(Graph graph, const Backend& backend, const WeightMap& weights,
                 const SessionOptions& options, std::stop_token stop)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  {
    KernelNeeds needs(backend, weights, options.seconds, stop_check(stop));
    s.program = plan_session(graph, needs, options);
  }
  s.trace = options.trace;
  check_stop(stop);
  s.prepare(backend, weights);
  s.prepare_weights(weights);
  s.find_fetches();
  s.program.needs = {};  // asked for no more
  s.releases = options.release_kernels;
  for (const std::shared_ptr<Kernel>& kernel : s.kernels) {
    if (s.releases) break;
    check_stop(stop);
    kernel->compile();
  }
  trim_heap();
  give_back_code();
  if (s.plan().file_bytes > 0) s.scratch = options.scratch(s.plan().file_bytes);
  s.take_memory();
  s.pass_cache = !s.cache_would_hold_weights();
  s.make_stream();
}

Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Graph& Session::graph() const { return state_->graph(); }
const Plan& Session::plan() const { return state_->plan(); }
double Session::predicted_seconds() const { return state_->program.seconds; }

std::span<std::byte> Session::input(std::string_view name) {
  const ValueId id = state_->graph().find_input(name);
  SEMBLANCE_ASSERT(id >= 0 && !state_->plan().in_file[at(id)]);
  return state_->bytes_of(id);
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
  SEMBLANCE_ASSERT(is_float(type.dtype) && type.bytes() == values.size() * size_of(type.dtype));
  if (!is_in_file(name)) {
    from_f32(values, type.dtype, state_->bytes_of(id));
    return;
  }
  // In pieces: converted at once it would be as large as what was too large to be held.
  Buffer piece(std::size_t{1} << 20, Tag::kStaging);
  const std::size_t step = piece.size() / size_of(type.dtype);
  const std::uint64_t offset = state_->plan().values[at(id)].offset;
  for (std::size_t i = 0; i < values.size(); i += step) {
    const auto part = values.subspan(i, std::min(step, values.size() - i));
    const auto bytes = piece.bytes().first(part.size() * size_of(type.dtype));
    from_f32(part, type.dtype, bytes);
    state_->scratch->write(offset + i * size_of(type.dtype), bytes);
  }
}

void Session::set_input(std::string_view name, std::span<const std::int32_t> values) {
  const std::span<std::byte> bytes = input(name);
  SEMBLANCE_ASSERT(state_->value(state_->graph().find_input(name)).type.dtype == DType::kI32 &&
                   bytes.size() == values.size_bytes());
  std::memcpy(bytes.data(), values.data(), bytes.size());
}

void Session::run(std::stop_token stop) {
  try {
    state_->run(stop);
  } catch (...) {
    // Nothing may touch the arena after that.
    if (state_->mover) state_->mover->stop();
    if (state_->stream) state_->stream->stop();
    throw;
  }
}

std::span<const std::byte> Session::output(std::string_view name) const {
  const ValueId id = state_->graph().find_output(name);
  SEMBLANCE_ASSERT(id >= 0);
  return state_->bytes_of(id);
}

std::vector<float> Session::output_f32(std::string_view name) const {
  const std::span<const std::byte> bytes = output(name);
  const TensorType& type = state_->graph().type(state_->graph().find_output(name));
  std::vector<float> values(static_cast<std::size_t>(type.shape.elements()));
  to_f32(type.dtype, bytes, values);
  return values;
}

std::vector<KernelTime> Session::times() const {
  std::vector<KernelTime> times;
  for (const State::Step& step : state_->steps) {
    auto found = std::find_if(times.begin(), times.end(),
                              [&](const KernelTime& time) { return time.kernel == step.name; });
    if (found == times.end()) found = times.insert(times.end(), KernelTime{step.name, 0, 0, 0, 0});
    found->calls += step.calls;
    found->run_seconds += step.run_seconds;
    found->read_seconds += step.read_seconds;
    found->operations += step.operations * step.calls;
  }
  std::sort(times.begin(), times.end(), [](const KernelTime& a, const KernelTime& b) {
    return a.run_seconds + a.read_seconds > b.run_seconds + b.read_seconds;
  });
  return times;
}

StreamTimes Session::stream_times() const {
  StreamTimes times = state_->before;
  times.weight_bytes += state_->inline_bytes;
  if (state_->stream) {
    const WeightStream::Counts counts = state_->stream->counts();
    times.weight_bytes += counts.bytes_read;
    times.weight_wait_seconds += counts.wait_seconds;
  }
  if (state_->mover) {
    const ScratchMover::Counts counts = state_->mover->counts();
    times.spilled_bytes = counts.bytes_written;
    times.fetched_bytes = counts.bytes_read;
    times.scratch_wait_seconds = counts.wait_seconds;
  }
  return times;
}

}  // namespace semblance
