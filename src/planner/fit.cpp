#include "planner/fit.h"

#include <algorithm>

#include "planner/make_plan.h"
#include "planner/spill.h"

namespace semblance {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

/// From the fastest to the smallest: what is held beside a result, what a picture of a value may
/// have to stay in memory, and what is held of a weight.
constexpr LowerRules kRungs[] = {
    {},
    {96 * kMiB, 96 * kMiB, 256 * kMiB, 32 * kMiB},
    {48 * kMiB, 64 * kMiB, 96 * kMiB, 16 * kMiB},
    {32 * kMiB, 48 * kMiB, 48 * kMiB, 8 * kMiB},
    {16 * kMiB, 48 * kMiB, 32 * kMiB, 8 * kMiB},
    {8 * kMiB, 32 * kMiB, 12 * kMiB, 4 * kMiB},
};

std::vector<NodeNeeds> all_needs(const Graph& graph, const NeedsOf& needs) {
  std::vector<NodeNeeds> all;
  for (const Node& node : graph.nodes()) all.push_back(needs(graph, node));
  return all;
}

class Fitter {
 public:
  Fitter(const Graph& graph, const NeedsOf& needs, const FitOptions& options)
      : graph_(graph), needs_(needs), options_(options) {}

  /// The program of a rung whose arena comes to `target_bytes` or as near as it can.
  Program make(const LowerRules& rules, std::uint64_t target_bytes) const {
    LowerRules allowed = rules;
    if (!options_.may_spill) allowed.file_bytes = LowerRules::kNoLimit;
    const WeightFactsOf facts = [&](const Graph& graph, const Node& node) {
      const NodeNeeds need = needs_(graph, node);
      return WeightFacts{need.src[1].packed_bytes, need.keeps_bits_by_channels};
    };
    Lowered lowered = lower(graph_, allowed, facts);
    Program program;
    program.needs = all_needs(lowered.graph, needs_);
    if (options_.may_spill && target_bytes != LowerRules::kNoLimit) {
      const std::size_t before = lowered.graph.nodes().size();
      lowered = spill(std::move(lowered), program.needs, target_bytes);
      if (lowered.graph.nodes().size() != before) program.needs = all_needs(lowered.graph, needs_);
    }
    program.plan = make_plan(lowered, program.needs, {});
    if (options_.keep_weights || program.plan.memory_bytes() < options_.memory_bytes)
      use_what_is_left(lowered, program);
    program.graph = std::move(lowered.graph);
    const RunSeconds seconds = predict(program.graph, program.needs, program.plan, options_.rates);
    program.seconds = seconds.all;
    program.wait_seconds = seconds.waiting;
    return program;
  }

  bool fits(const Program& program) const {
    return program.plan.memory_bytes() <= options_.memory_bytes &&
           program.plan.file_bytes <= options_.file_bytes;
  }

  /// The best that a rung can do under the limit.
  std::optional<Program> best_of(const LowerRules& rules) const {
    Program program = make(rules, LowerRules::kNoLimit);
    if (fits(program)) return program;
    if (!options_.may_spill) return std::nullopt;
    // Places do not fill the arena without gaps: aim lower until they fit.
    std::uint64_t target =
        options_.memory_bytes - std::min(options_.memory_bytes, program.plan.ring_bytes);
    for (int i = 0; i < 3; ++i) {
      program = make(rules, target);
      if (fits(program)) return program;
      if (program.plan.file_bytes > options_.file_bytes) return std::nullopt;
      const std::uint64_t over = program.plan.memory_bytes() - options_.memory_bytes;
      if (over > options_.memory_bytes / 4 || over >= target) break;
      target -= over;
    }
    program = make(rules, 0);
    if (fits(program)) return program;
    return std::nullopt;
  }

 private:
  /// Read-ahead first, then weights that stay.
  void use_what_is_left(const Lowered& lowered, Program& program) const {
    const Plan least = program.plan;
    if (least.memory_bytes() >= options_.memory_bytes) return;
    const std::uint64_t left = options_.memory_bytes - least.memory_bytes();
    PlanChoices choices;
    choices.ring_limit_bytes = least.ring_bytes + std::min<std::uint64_t>(left / 2, 32 * kMiB);
    if (options_.keep_weights && options_.memory_bytes != LowerRules::kNoLimit) {
      const std::uint64_t ring =
          std::min(choices.ring_limit_bytes, choices.ring_depth * least.ring_bytes);
      choices.resident_limit_bytes = left - (ring - std::min(ring, least.ring_bytes));
    } else if (options_.keep_weights) {
      choices.resident_limit_bytes = LowerRules::kNoLimit;
    }
    program.plan = make_plan(lowered, program.needs, choices);
    if (program.plan.memory_bytes() > options_.memory_bytes) program.plan = least;
  }

  const Graph& graph_;
  const NeedsOf& needs_;
  const FitOptions& options_;
};

}  // namespace

std::optional<Program> fit(const Graph& graph, const NeedsOf& needs, const FitOptions& options) {
  const Fitter fitter(graph, needs, options);
  std::optional<Program> best;
  for (const LowerRules& rules : kRungs) {
    std::optional<Program> program = fitter.best_of(rules);
    if (!program) continue;
    const bool spills = program->plan.file_bytes > 0;
    if (!best || program->seconds < best->seconds) best = std::move(program);
    if (!spills) break;  // smaller parts do not make it faster
  }
  return best;
}

std::uint64_t least_memory(const Graph& graph, const NeedsOf& needs, const FitOptions& options) {
  FitOptions tight = options;
  tight.memory_bytes = 0;
  tight.keep_weights = false;
  const Fitter fitter(graph, needs, tight);
  std::uint64_t least = ~std::uint64_t{0};
  for (const LowerRules& rules : kRungs) {
    const Program program = fitter.make(rules, options.may_spill ? 0 : LowerRules::kNoLimit);
    if (program.plan.file_bytes <= options.file_bytes)
      least = std::min(least, program.plan.memory_bytes());
  }
  return least;
}

}  // namespace semblance
