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
    {16 * kMiB, 48 * kMiB, 16 * kMiB, 8 * kMiB},
};

std::vector<NodeNeeds> all_needs(const Graph& graph, const NeedsOf& needs) {
  std::vector<NodeNeeds> all;
  for (const Node& node : graph.nodes()) all.push_back(needs(graph, node));
  return all;
}

/// A share of the time that is not worth another try.
constexpr double kLittleWaiting = 0.03;

/// What the arena is brought down to by spilling, as shares of what it would be without. The last,
/// zero, spills all that helps.
constexpr double kTargets[] = {0.75, 0.5, 0};

/// A graph lowered by one rung's rules. What it can be made into is a list that does not depend on
/// any limit: so what fits in some bytes fits in more, and the least is known.
class Rung {
 public:
  Rung(const Graph& graph, const NeedsOf& needs, const LowerRules& rules) : needs_(needs) {
    const WeightFactsOf facts = [&](const Graph& g, const Node& node) {
      const NodeNeeds need = needs(g, node);
      return WeightFacts{need.src[1].packed_bytes, need.keeps_bits_by_channels};
    };
    whole_.lowered = lower(graph, rules, facts);
    whole_.needs = all_needs(whole_.lowered.graph, needs);
    whole_.least = make_plan(whole_.lowered, whole_.needs, {});
  }

  struct Candidate {
    Lowered lowered;
    std::vector<NodeNeeds> needs;
    Plan least;  // without weights that stay and with the least read-ahead
  };
  const Candidate& without_spilling() const { return whole_; }
  Candidate spilling(double share) const {
    const auto target =
        static_cast<std::uint64_t>(share * static_cast<double>(whole_.least.arena_bytes));
    Candidate candidate;
    candidate.lowered = spill(whole_.lowered, whole_.needs, target);
    candidate.needs = all_needs(candidate.lowered.graph, needs_);
    candidate.least = make_plan(candidate.lowered, candidate.needs, {});
    return candidate;
  }

 private:
  const NeedsOf& needs_;
  Candidate whole_;
};

bool fits(const Plan& plan, const FitOptions& options) {
  return plan.memory_bytes() <= options.memory_bytes && plan.file_bytes <= options.file_bytes;
}

/// The plan with what memory is left: read-ahead first, then weights that stay.
Plan using_what_is_left(const Rung::Candidate& candidate, const FitOptions& options) {
  const Plan& least = candidate.least;
  PlanChoices choices;
  if (options.memory_bytes == LowerRules::kNoLimit) {
    choices.ring_limit_bytes = least.ring_bytes + 32 * kMiB;
    choices.resident_limit_bytes = options.keep_weights ? LowerRules::kNoLimit : 0;
    return make_plan(candidate.lowered, candidate.needs, choices);
  }
  const std::uint64_t left = options.memory_bytes - least.memory_bytes();
  choices.ring_limit_bytes = least.ring_bytes + std::min<std::uint64_t>(left / 2, 32 * kMiB);
  const std::uint64_t ring =
      std::min(choices.ring_limit_bytes, choices.ring_depth * least.ring_bytes);
  if (options.keep_weights)
    choices.resident_limit_bytes = left - (ring - std::min(ring, least.ring_bytes));
  Plan plan = make_plan(candidate.lowered, candidate.needs, choices);
  return fits(plan, options) ? plan : least;
}

Program finished(Rung::Candidate candidate, const FitOptions& options) {
  Program program;
  program.plan = using_what_is_left(candidate, options);
  program.graph = std::move(candidate.lowered.graph);
  program.needs = std::move(candidate.needs);
  const RunSeconds seconds = predict(program.graph, program.needs, program.plan, options.rates);
  program.seconds = seconds.all;
  program.wait_seconds = seconds.waiting;
  return program;
}

LowerRules allowed(LowerRules rules, const FitOptions& options) {
  if (!options.may_spill) rules.file_bytes = LowerRules::kNoLimit;
  return rules;
}

/// The least spilling of a rung that fits.
std::optional<Rung::Candidate> first_that_fits(const Rung& rung, const FitOptions& options) {
  if (fits(rung.without_spilling().least, options)) return rung.without_spilling();
  if (!options.may_spill) return std::nullopt;
  for (double share : kTargets) {
    Rung::Candidate candidate = rung.spilling(share);
    if (fits(candidate.least, options)) return candidate;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Program> fit(const Graph& graph, const NeedsOf& needs, const FitOptions& options) {
  std::optional<Program> best;
  for (const LowerRules& rules : kRungs) {
    const Rung rung(graph, needs, allowed(rules, options));
    std::optional<Rung::Candidate> candidate = first_that_fits(rung, options);
    if (!candidate) continue;
    Program program = finished(std::move(*candidate), options);
    const bool waits = program.wait_seconds > kLittleWaiting * program.seconds;
    if (!best || program.seconds < best->seconds) best = std::move(program);
    if (!waits) break;  // smaller parts make nothing faster then
  }
  return best;
}

std::uint64_t least_memory(const Graph& graph, const NeedsOf& needs, const FitOptions& options) {
  std::uint64_t least = ~std::uint64_t{0};
  for (const LowerRules& rules : kRungs) {
    const Rung rung(graph, needs, allowed(rules, options));
    const auto consider = [&](const Plan& plan) {
      if (plan.file_bytes <= options.file_bytes) least = std::min(least, plan.memory_bytes());
    };
    consider(rung.without_spilling().least);
    if (!options.may_spill) continue;
    for (double share : kTargets) consider(rung.spilling(share).least);
  }
  return least;
}

}  // namespace semblance
