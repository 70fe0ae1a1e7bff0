// Parks values that are not needed for a while in the scratch file.
#pragma once

#include "planner/plan.h"

namespace semblance {

/// Spill and Fetch nodes around the longest idle times of values, where the arena would otherwise
/// need more than `target_bytes`; as few as reach the target, or all that help. What a node itself
/// needs at once cannot be parked: the result may still need more.
Lowered spill(Lowered program, const std::vector<NodeNeeds>& needs, std::uint64_t target_bytes);

}  // namespace semblance
