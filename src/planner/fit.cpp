#include "planner/fit.h"

#include <algorithm>

#include "memory/base_memory.h"
#include "planner/make_plan.h"
#include "planner/spill.h"

namespace semblance {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

/// LowerRules from the fastest to the smallest: slice, batch, file and weight bytes.
constexpr LowerRules kRungs[] = {
    {},
    {96 * kMiB, 96 * kMiB, 256 * kMiB, 32 * kMiB},
    {48 * kMiB, 64 * kMiB, 96 * kMiB, 16 * kMiB},
    {32 * kMiB, 48 * kMiB, 48 * kMiB, 8 * kMiB},
    {16 * kMiB, 48 * kMiB, 16 * kMiB, 8 * kMiB},
};

/// The most work in one node of a picture, so that two cores with AVX-512 react to a cancel within
/// a second.
constexpr Operations kMostOperations = 1e11;

/// How much is spilled, from nothing to all that helps: targets as shares of the arena's peak.
constexpr double kShares[] = {1, 0.75, 0.5, 0};

/// Waiting below this share of the time is not worth another try.
constexpr double kLittleWaiting = 0.03;

constexpr std::uint64_t kNever = ~std::uint64_t{0};

/// How much of the weights may be in a device's memory before its use. The fastest is chosen.
constexpr std::uint64_t kAheadBytes[] = {256 * kMiB, 128 * kMiB, 64 * kMiB, 32 * kMiB,
                                         16 * kMiB,  8 * kMiB,   4 * kMiB,  0};

/// What counts against FitOptions::memory_bytes.
std::uint64_t counted_bytes(const Plan& plan, const FitOptions& options) {
  return options.host_bytes ? plan.places_bytes() : plan.memory_bytes();
}

/// Whether the plan keeps to the limits other than FitOptions::memory_bytes.
bool keeps_to_limits(const Plan& plan, const FitOptions& options) {
  return plan.file_bytes <= options.file_bytes &&
         plan.host_bytes() <= options.host_bytes.value_or(~std::uint64_t{0});
}

std::vector<NodeNeeds> all_needs(const Graph& graph, const NeedsOf& needs) {
  std::vector<NodeNeeds> all;
  all.reserve(graph.nodes().size());
  for (const Node& node : graph.nodes()) all.push_back(needs(graph, node));
  return all;
}

}  // namespace

/// A graph lowered by one rung's rules and spilled to one share. The candidates do not depend on
/// the memory limit, so a graph that fits a budget fits every larger one.
struct Fitter::Candidate {
  Lowered lowered;
  std::vector<NodeNeeds> needs;
  Plan least = {};  // without resident weights, with the least read-ahead
};

Fitter::Fitter(const Graph& graph, NeedsOf needs, const FitOptions& options)
    : graph_(graph), needs_(std::move(needs)), options_(options) {
  known_.assign(std::size(kRungs), std::vector<Need>(options.may_spill ? std::size(kShares) : 1));
}

/// The rung's candidate that needs at most `most_bytes` and spills the least or the most.
std::optional<Fitter::Candidate> Fitter::explore(std::size_t rung, std::uint64_t most_bytes,
                                                 Prefer prefer, PlanLog* log) {
  std::vector<Need>& known = known_[rung];
  most_bytes = std::min(most_bytes, kNever - 1);
  const auto is_out = [&](const Need& need) { return need.bytes > most_bytes; };
  if (std::all_of(known.begin(), known.end(), is_out)) return std::nullopt;

  LowerRules rules = kRungs[rung];
  rules.slice_operations = kMostOperations;
  if (!options_.may_spill) rules.file_bytes = LowerRules::kNoLimit;
  const WeightFactsOf facts = [this](const Graph& graph, const Node& node) {
    const NodeNeeds need = needs_(graph, node);
    return WeightFacts{need.src[1].packed_bytes, need.is_exact_by_channels};
  };
  Candidate whole{lower(graph_, rules, facts, log), {}};
  whole.needs = all_needs(whole.lowered.graph, needs_);
  const ReadingBytes reading = reading_bytes(whole.needs);
  const std::uint64_t beside =
      options_.host_bytes
          ? 0
          : reading.ring + reading.staging + whole.lowered.graph.nodes().size() * kNodeBytes;

  Spilling spilling(whole.lowered, whole.needs);
  const auto peak = static_cast<double>(spilling.peak_bytes());
  std::vector<std::size_t> choices(known.size());
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (i > 0) {
      spilling.bring_down_to(static_cast<std::uint64_t>(kShares[i] * peak));
      if (spilling.chosen() == choices[i - 1]) known[i] = {kNever, true};  // nothing new
    }
    choices[i] = spilling.chosen();
    if (!known[i].exact) known[i].bytes = spilling.peak_bytes() + beside;
  }

  for (std::size_t turn = 0; turn < known.size(); ++turn) {
    const std::size_t i = prefer == Prefer::kLeastSpilling ? turn : known.size() - 1 - turn;
    if (is_out(known[i])) continue;
    Candidate spilled;
    if (choices[i] > 0) {
      spilled.lowered = run_pass(
          log, Pass::kSpill, [&] { return spilling.program(choices[i]); },
          [](const Lowered& lowered) { return lowered.graph.nodes().size(); });
      check_interface(whole.lowered.graph, spilled.lowered.graph, Pass::kSpill);
      spilled.needs = all_needs(spilled.lowered.graph, needs_);
    }
    Candidate& candidate = choices[i] > 0 ? spilled : whole;
    candidate.least = make_plan(candidate.lowered, candidate.needs, {});
    const Plan& plan = candidate.least;
    known[i] = {keeps_to_limits(plan, options_)
                    ? std::max(known[i].bytes, counted_bytes(plan, options_))
                    : kNever,
                true};
    if (!is_out(known[i])) return std::move(candidate);
  }
  return std::nullopt;
}

namespace {

/// A plan that uses spare memory for these, as far as they fit: first for reading ahead and uploads
/// ahead, then for resident weights. Nullopt if it exceeds the limits.
std::optional<Plan> plan_ahead(const Lowered& lowered, const std::vector<NodeNeeds>& needs,
                               const Plan& least, const FitOptions& options,
                               std::uint64_t ahead_bytes) {
  PlanChoices choices;
  choices.steady_inputs = options.steady_inputs;
  choices.slab_bytes = options.slab_bytes;
  choices.upload_rate = options.rates.upload;
  choices.ahead_limit_bytes = ahead_bytes;
  const bool unlimited = options.memory_bytes == LowerRules::kNoLimit;
  std::uint64_t left = LowerRules::kNoLimit;
  if (!unlimited) left = options.memory_bytes - counted_bytes(least, options);
  const std::uint64_t for_ring =
      options.host_bytes ? *options.host_bytes - least.host_bytes() : left;
  choices.ring_limit_bytes = least.ring_bytes + std::min<std::uint64_t>(for_ring / 2, 32 * kMiB);
  if (!options.host_bytes && !unlimited) {
    const std::uint64_t ring =
        std::min(choices.ring_limit_bytes, choices.ring_depth * least.ring_bytes);
    left -= ring - std::min(ring, least.ring_bytes);
  }
  if (ahead_bytes > 0 && !unlimited) {
    const std::uint64_t bytes = counted_bytes(make_plan(lowered, needs, choices), options);
    if (bytes > options.memory_bytes) return std::nullopt;
    left = options.memory_bytes - bytes;
  }
  if (options.keep_weights) choices.resident_limit_bytes = left;
  Plan plan = make_plan(lowered, needs, choices);
  const bool fits =
      counted_bytes(plan, options) <= options.memory_bytes && keeps_to_limits(plan, options);
  return fits ? std::optional(std::move(plan)) : std::nullopt;
}

/// Uses spare memory for reading ahead and for weights that stay.
Plan with_spare_memory(const Lowered& lowered, const std::vector<NodeNeeds>& needs, Plan least,
                       const FitOptions& options) {
  if (options.rates.upload == 0) {
    auto plan = plan_ahead(lowered, needs, least, options, 0);
    return plan ? std::move(*plan) : std::move(least);
  }
  std::optional<Plan> best;
  double best_seconds = 0;
  for (const std::uint64_t ahead : kAheadBytes) {
    std::optional<Plan> plan = plan_ahead(lowered, needs, least, options, ahead);
    if (!plan) continue;
    const RunSeconds seconds = predict(lowered.graph, needs, *plan, options.rates);
    if (best && seconds.all >= best_seconds) continue;
    best = std::move(plan);
    best_seconds = seconds.all;
    if (seconds.waiting <= kLittleWaiting * seconds.all) break;
  }
  return best ? std::move(*best) : std::move(least);
}

/// The faster one of two plans: with results that stay, and without.
Plan plan_with_spare_memory(const Lowered& lowered, const std::vector<NodeNeeds>& needs, Plan least,
                            const FitOptions& options) {
  FitOptions unsteady = options;
  unsteady.steady_inputs.clear();
  Plan plan = with_spare_memory(lowered, needs, std::move(least), unsteady);
  if (options.steady_inputs.empty()) return plan;
  Plan kept = make_plan(lowered, needs, {.steady_inputs = options.steady_inputs});
  if (counted_bytes(kept, options) > options.memory_bytes || !keeps_to_limits(kept, options))
    return plan;
  kept = with_spare_memory(lowered, needs, std::move(kept), options);
  const auto seconds = [&](const Plan& made) {
    return predict(lowered.graph, needs, made, options.rates).all;
  };
  return seconds(kept) < seconds(plan) ? kept : plan;
}

/// What does not fit on a device goes to the process' memory if that has room, else to a file.
bool has_room_for_file(const Plan& plan, const FitOptions& options) {
  return options.host_bytes && plan.file_bytes <= *options.host_bytes - plan.host_bytes();
}

}  // namespace

std::optional<Program> Fitter::program(std::size_t rung, std::uint64_t memory_bytes, PlanLog& log) {
  std::optional<Candidate> candidate = explore(rung, memory_bytes, Prefer::kLeastSpilling, &log);
  if (!candidate) return std::nullopt;
  FitOptions options = options_;
  options.memory_bytes = memory_bytes;
  Program program;
  program.plan = run_pass(
      &log, Pass::kPlace,
      [&] {
        return plan_with_spare_memory(candidate->lowered, candidate->needs,
                                      std::move(candidate->least), options);
      },
      [&](const Plan&) { return candidate->lowered.graph.nodes().size(); });
  program.plan.file_in_memory = has_room_for_file(program.plan, options);
  program.graph = std::move(candidate->lowered.graph);
  program.needs = std::move(candidate->needs);
  const RunSeconds seconds = predict(program.graph, program.needs, program.plan, options.rates);
  program.seconds = seconds.all;
  program.wait_seconds = seconds.waiting;
  return program;
}

std::optional<Program> Fitter::fit(std::uint64_t memory_bytes) {
  std::optional<Program> best;  // programs are large: at most one is held at a time
  std::optional<std::size_t> best_rung;
  double best_seconds = 0;
  for (std::size_t rung = 0; rung < std::size(kRungs); ++rung) {
    PlanLog log;
    std::optional<Program> made = program(rung, memory_bytes, log);
    if (!made) continue;
    const bool waits = made->wait_seconds > kLittleWaiting * made->seconds;
    if (!best_rung || made->seconds < best_seconds) {
      best_rung = rung;
      best_seconds = made->seconds;
    }
    if (!waits || rung + 1 == std::size(kRungs)) {  // then smaller parts do not help
      if (best_rung == rung) {
        best = std::move(made);
        log_ = std::move(log);
      }
      break;
    }
  }
  if (best_rung && !best) {
    log_ = {};
    best = program(*best_rung, memory_bytes, log_);
  }
  return best;
}

std::uint64_t Fitter::least_known() const {
  std::uint64_t least = kNever;
  for (const std::vector<Need>& rung : known_) {
    for (const Need& need : rung) {
      if (need.exact) least = std::min(least, need.bytes);
    }
  }
  return least;
}

bool Fitter::fits(std::uint64_t memory_bytes) {
  if (least_known() <= memory_bytes) return true;
  for (std::size_t rung = std::size(kRungs); rung-- > 0;) {
    if (explore(rung, memory_bytes, Prefer::kLeastMemory)) return true;
  }
  return false;
}

std::uint64_t Fitter::least_memory() {
  for (std::size_t rung = std::size(kRungs); rung-- > 0;) {
    while (explore(rung, least_known() - 1, Prefer::kLeastMemory)) continue;
  }
  return least_known();
}

std::optional<Program> fit(const Graph& graph, const NeedsOf& needs, const FitOptions& options) {
  return Fitter(graph, needs, options).fit(options.memory_bytes);
}

std::uint64_t least_memory(const Graph& graph, const NeedsOf& needs, const FitOptions& options) {
  return Fitter(graph, needs, options).least_memory();
}

}  // namespace semblance
