#include "runtime/session.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/convert.h"
#include "memory/arena.h"
#include "memory/base_memory.h"
#include "runtime/weight_reader.h"
#include "runtime/weight_rows.h"

namespace semblance {
namespace {

/// How far ahead of the compute the system is told what will be read.
constexpr std::uint64_t kReadAheadBytes = std::uint64_t{96} << 20;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) fail(ErrorKind::kCancelled, "cancelled");
}

/// Rows of a table by number, from the file: an embedding's table is never held.
void read_embedding(const WeightRows& table, std::span<const std::int32_t> ids, DType dtype,
                    std::span<std::byte> dst, std::vector<std::byte>& raw,
                    std::vector<float>& plain) {
  const std::size_t row_bytes =
      static_cast<std::size_t>(table.tensor.row_elements()) * size_of(dtype);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= table.row_count()) {
      fail(ErrorKind::kShape,
           "token id {} is outside of the embedding table in {}, which has {} rows", ids[i],
           table.tensor.file->name(), table.row_count());
    }
    table.read(ids[i], 1, raw, plain);
    from_f32(plain, dtype, dst.subspan(i * row_bytes, row_bytes));
  }
}

}  // namespace

struct Session::State {
  struct Step {
    std::unique_ptr<Kernel> kernel;  // none for views and embeddings
    std::string_view name;
    Operations operations = 0;
    std::vector<const std::byte*> src;
    std::byte* dst = nullptr;
    std::byte* scratch = nullptr;
    std::vector<std::size_t> streamed;  // indices into plan.weights
    int calls = 0;
    double run_seconds = 0;
    double read_seconds = 0;
  };
  struct Table {  // of an embedding node
    WeightRows weight;
    std::vector<std::byte> raw;
    std::vector<float> plain;
  };

  Graph graph;
  std::vector<Step> steps;
  std::vector<NodeNeeds> needs;
  Plan plan;
  std::vector<WeightRows> stored;              // by plan.weights
  std::vector<std::vector<FilePiece>> pieces;  // of them
  std::vector<std::pair<std::size_t, Table>> tables;
  WeightReader reader;
  Arena arena;
  Arena resident;
  std::size_t announced = 0;          // uses of weights below this one were announced in this run
  std::uint64_t announced_bytes = 0;  // of what is announced and not read yet

  const ValueInfo& value(ValueId id) const { return graph.values()[static_cast<std::size_t>(id)]; }
  std::span<std::byte> bytes_of(ValueId id) const {
    const Place& place = plan.values[static_cast<std::size_t>(id)];
    return arena.at(place.offset, place.bytes);
  }
  WeightRows find(const WeightMap& weights, ValueId id) const {
    return find_weight(weights, value(id));
  }
  void choose(const Backend& backend, const WeightMap& weights);
  void place(const WeightMap& weights);
  void read(std::size_t use, const Kernel& kernel);
  void read_ahead(std::size_t from);
};

void Session::State::choose(const Backend& backend, const WeightMap& weights) {
  for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    Step step;
    NodeNeeds need;
    need.weight_bytes.resize(node.src.size());
    const std::vector<TensorType> types = graph.src_types(node);
    step.operations =
        std::visit([&](const auto& op) { return op.cost(types, graph.type(node.dst)); }, node.op);
    if (std::holds_alternative<Reshape>(node.op)) {
      step.name = "view";
    } else if (std::holds_alternative<Embedding>(node.op) &&
               value(node.src[1]).kind == ValueKind::kWeight) {
      step.name = "read_embedding";
      const WeightRows table = find(weights, node.src[1]);
      tables.push_back(
          {n,
           {table, std::vector<std::byte>(table.tensor.row_bytes()),
            std::vector<float>(static_cast<std::size_t>(table.tensor.row_elements()))}});
    } else {
      ChosenKernel chosen = choose_kernel(backend, NodeView(graph, node));
      step.kernel = std::move(chosen.kernel);
      step.name = chosen.name;
      need.scratch_bytes = step.kernel->scratch_bytes();
      for (std::size_t i = 0; i < node.src.size(); ++i) {
        if (value(node.src[i]).kind != ValueKind::kWeight) continue;
        need.weight_bytes[i] = step.kernel->packed_bytes(static_cast<int>(i));
        reader.reserve(*step.kernel, static_cast<int>(i), find(weights, node.src[i]));
      }
    }
    steps.push_back(std::move(step));
    needs.push_back(std::move(need));
  }
}

void Session::State::place(const WeightMap& weights) {
  arena = Arena(plan.arena_bytes, Tag::kActivations);
  resident = Arena(plan.resident_bytes, Tag::kWeights);
  for (std::size_t n = 0; n < steps.size(); ++n) {
    const Node& node = graph.nodes()[n];
    Step& step = steps[n];
    for (ValueId id : node.src)
      step.src.push_back(value(id).kind == ValueKind::kWeight ? nullptr : bytes_of(id).data());
    step.dst = bytes_of(node.dst).data();
    step.scratch = arena.at(plan.scratch[n].offset, plan.scratch[n].bytes).data();
  }
  for (std::size_t i = 0; i < plan.weights.size(); ++i) {
    const WeightUse& use = plan.weights[i];
    Step& step = steps[static_cast<std::size_t>(use.node)];
    const auto src = static_cast<std::size_t>(use.src);
    step.src[src] = (use.resident ? resident : arena).at(use.place.offset, use.place.bytes).data();
    stored.push_back(find(weights, graph.nodes()[static_cast<std::size_t>(use.node)].src[src]));
    pieces.push_back(stored.back().pieces());
    if (!use.resident) step.streamed.push_back(i);
  }
}

void Session::State::read(std::size_t use_index, const Kernel& kernel) {
  const WeightUse& use = plan.weights[use_index];
  const Arena& region = use.resident ? resident : arena;
  reader.read(kernel, use.src, stored[use_index],
              region.at(use.place.offset, needs[static_cast<std::size_t>(use.node)]
                                              .weight_bytes[static_cast<std::size_t>(use.src)]));
}

void Session::State::read_ahead(std::size_t from) {
  // Every weight is announced once a run: asking again for what is cached costs as much as reading
  // it.
  if (announced <= from) announced = from, announced_bytes = 0;
  for (; announced < plan.weights.size() && announced_bytes < kReadAheadBytes; ++announced) {
    if (plan.weights[announced].resident) continue;
    for (const FilePiece& piece : pieces[announced])
      stored[announced].tensor.file->will_need(piece.offset, piece.bytes);
    announced_bytes += stored[announced].bytes();
  }
}

Session::Session(Graph graph, const Backend& backend, const WeightMap& weights,
                 const SessionOptions& options, std::stop_token stop)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.graph = std::move(graph);
  s.choose(backend, weights);
  s.reader.allocate();
  s.plan = make_plan(s.graph, s.needs, options.resident_limit_bytes);
  s.place(weights);
  for (State::Step& step : s.steps) {
    check_stop(stop);
    if (step.kernel) step.kernel->compile();
  }
  for (std::size_t i = 0; i < s.plan.weights.size(); ++i) {
    check_stop(stop);
    const WeightUse& use = s.plan.weights[i];
    if (use.resident) s.read(i, *s.steps[static_cast<std::size_t>(use.node)].kernel);
  }
  give_back_code();  // of the code generators, parsers and what else got the session here
}

Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Graph& Session::graph() const { return state_->graph; }
const Plan& Session::plan() const { return state_->plan; }

std::span<std::byte> Session::input(std::string_view name) {
  const ValueId id = state_->graph.find_input(name);
  SEMBLANCE_ASSERT(id >= 0);
  return state_->bytes_of(id);
}

void Session::set_input(std::string_view name, std::span<const float> values) {
  const std::span<std::byte> bytes = input(name);
  const DType dtype = state_->value(state_->graph.find_input(name)).type.dtype;
  SEMBLANCE_ASSERT(is_float(dtype) && bytes.size() == values.size() * size_of(dtype));
  from_f32(values, dtype, bytes);
}

void Session::set_input(std::string_view name, std::span<const std::int32_t> values) {
  const std::span<std::byte> bytes = input(name);
  SEMBLANCE_ASSERT(state_->value(state_->graph.find_input(name)).type.dtype == DType::kI32 &&
                   bytes.size() == values.size_bytes());
  std::memcpy(bytes.data(), values.data(), bytes.size());
}

void Session::run(std::stop_token stop) {
  State& s = *state_;
  auto table = s.tables.begin();
  s.announced = 0;
  s.announced_bytes = 0;
  for (std::size_t n = 0; n < s.steps.size(); ++n) {
    check_stop(stop);
    State::Step& step = s.steps[n];
    const double start = now();
    if (!step.streamed.empty()) {
      s.read_ahead(step.streamed.front());
      for (std::size_t use : step.streamed) {
        s.read(use, *step.kernel);
        s.announced_bytes -= std::min(s.announced_bytes, s.stored[use].bytes());
      }
    }
    const double ready = now();
    if (step.kernel) {
      step.kernel->run({step.src, step.dst, step.scratch});
    } else if (table != s.tables.end() && table->first == n) {
      const Node& node = s.graph.nodes()[n];
      const std::span<std::byte> ids = s.bytes_of(node.src[0]);
      read_embedding(
          table->second.weight,
          {reinterpret_cast<const std::int32_t*>(ids.data()), ids.size() / sizeof(std::int32_t)},
          s.graph.type(node.dst).dtype, s.bytes_of(node.dst), table->second.raw,
          table->second.plain);
      ++table;
    }
    ++step.calls;
    step.read_seconds += ready - start;
    step.run_seconds += now() - ready;
  }
}

std::span<const std::byte> Session::output(std::string_view name) const {
  const ValueId id = state_->graph.find_output(name);
  SEMBLANCE_ASSERT(id >= 0);
  return state_->bytes_of(id);
}

std::vector<float> Session::output_f32(std::string_view name) const {
  const std::span<const std::byte> bytes = output(name);
  const TensorType& type = state_->graph.type(state_->graph.find_output(name));
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

}  // namespace semblance
