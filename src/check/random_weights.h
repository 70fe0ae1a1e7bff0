// Networks of published sizes without their files: for measuring.
#pragma once

#include "runtime/session.h"
#include "weights/weight_map.h"

namespace semblance::checking {

/// A tensor in f16 for each of the graph's weights, of random numbers that are made as fast as a
/// file in the page cache is read.
WeightMap random_weights(const Graph& graph);

/// Sets every input of the graph to random numbers between -1 and 1.
void set_random_inputs(Session& session, const Graph& graph);

}  // namespace semblance::checking
