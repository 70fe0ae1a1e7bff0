// Gives the values of a lowered graph their places.
#pragma once

#include "planner/plan.h"

namespace semblance {

struct PlanChoices {
  std::uint64_t resident_limit_bytes = 0;  // for weights that stay, smallest first
  std::uint64_t ring_limit_bytes = 0;      // unless the largest weight needs more
  std::uint64_t ring_depth = 4;            // the ring holds at most this many of the largest weight
  std::uint64_t slab_bytes = 0;            // Plan::slab_bytes
  /// Streamed weights are copied to the arena at this rate while earlier nodes run. 0: they are
  /// packed in place right before their use.
  double upload_rate = 0;
  std::uint64_t ahead_limit_bytes = 0;          // packed weights in the arena before their use
  std::vector<std::string> steady_inputs = {};  // what depends on them alone is kept
};

/// The least memory needed for reading weights: the largest weight as stored in its file, and what
/// packing needs in addition.
struct ReadingBytes {
  std::uint64_t ring = 0;
  std::uint64_t staging = 0;
};
ReadingBytes reading_bytes(const std::vector<NodeNeeds>& needs);

/// Deterministic. `needs` has one entry per node.
Plan make_plan(const Lowered& program, const std::vector<NodeNeeds>& needs,
               const PlanChoices& choices);

}  // namespace semblance
