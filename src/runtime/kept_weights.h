// Weights that stay in memory from one session to the next.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "planner/plan.h"
#include "runtime/device.h"

namespace semblance {

/// The weights that an ended session had packed in memory. The next session with the same weights
/// takes over those that it keeps as well.
struct KeptWeights {
  struct Weight {
    ValueInfo value;
    std::uint64_t layout = 0;
    Place place;  // in the resident region
  };
  std::vector<Weight> weights;              // by place
  std::unique_ptr<Executor> executor = {};  // has this memory alone; null if nothing is kept
  std::uint64_t bytes = 0;                  // of the memory
};

}  // namespace semblance
