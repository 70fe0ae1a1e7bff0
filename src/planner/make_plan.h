// From a lowered graph to places.
#pragma once

#include "planner/plan.h"

namespace semblance {

struct PlanChoices {
  std::uint64_t resident_limit_bytes = 0;  // weights that stay, smallest first
  std::uint64_t ring_limit_bytes = 0;      // beyond what the largest streamed weight needs
  std::uint64_t ring_depth = 4;            // the ring is never more than that many of the largest
};

/// What reading weights takes at the least: the largest of them, as its file has it, and what
/// packing one takes beside that.
struct ReadingBytes {
  std::uint64_t ring = 0;
  std::uint64_t staging = 0;
};
ReadingBytes reading_bytes(const std::vector<NodeNeeds>& needs);

/// The same result for the same arguments. `needs` has an entry a node.
Plan make_plan(const Lowered& program, const std::vector<NodeNeeds>& needs,
               const PlanChoices& choices);

}  // namespace semblance
