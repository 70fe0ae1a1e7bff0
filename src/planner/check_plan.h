// What a plan actually uses of its regions. check_plan() is in planner/plan.h.
#pragma once

#include "planner/plan.h"

namespace semblance {

/// The end of the last place in each region; for the ring, the largest weight read through it. If
/// check_plan() succeeds, none exceeds the plan's own figure.
struct PlanPeaks {
  std::uint64_t arena_bytes = 0;
  std::uint64_t ring_bytes = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t file_bytes = 0;
};
PlanPeaks peaks_of(const Graph& graph, const Plan& plan);

}  // namespace semblance
