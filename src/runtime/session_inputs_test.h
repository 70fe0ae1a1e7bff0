// Inputs of a session over any graph.
#pragma once

#include <vector>

#include "core/integers.h"
#include "runtime/session.h"
#include "tests/support/random_values.h"

namespace semblance::testing {

/// Sets every input to random numbers; row numbers to 3.
inline void set_random_inputs(Session& session, const Graph& graph) {
  unsigned seed = 77;
  for (const ValueInfo& value : graph.values()) {
    if (value.kind != ValueKind::kInput) continue;
    const std::int64_t count = value.type.shape.elements();
    if (value.type.dtype == DType::kI32) {
      session.set_input(value.name, std::vector<std::int32_t>(at(count), 3));
    } else {
      session.set_input(value.name, random_values(count, ++seed));
    }
  }
}

}  // namespace semblance::testing
