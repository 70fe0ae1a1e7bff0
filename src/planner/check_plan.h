// What a plan really uses of its regions, beside check_plan() of planner/plan.h.
#pragma once

#include "planner/plan.h"

namespace semblance {

/// The end of the last byte that any place of a plan has in each region; of the ring, the largest
/// weight that goes through it. None is above the plan's own figure if check_plan() is content.
struct PlanPeaks {
  std::uint64_t arena_bytes = 0;
  std::uint64_t ring_bytes = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t file_bytes = 0;
};
PlanPeaks peaks_of(const Graph& graph, const Plan& plan);

}  // namespace semblance
