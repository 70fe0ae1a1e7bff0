// A plan: where every byte of a run lies, as data.
//
// Four regions. The arena holds activations, scratch and packed weights by offset, reusing places
// of what is dead. The ring holds bytes of streamed weights as they come from their files. The
// resident region holds weights that stay. The scratch file holds what was spilled.
//
// Views (graph/views.h) lie in their source, what is joined lies in the join, and a result may lie
// where a dying source of it lay. Inputs and outputs keep their places for the whole run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "planner/lower.h"

namespace semblance {

/// Every place begins at a multiple of this; in the scratch file, and of what goes there, at a
/// multiple of kFileAlignment, so that the system can move it without a copy.
inline constexpr std::uint64_t kPlaceAlignment = 64;
inline constexpr std::uint64_t kFileAlignment = 4096;

struct Place {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// A source of a node that is a weight.
struct WeightNeeds {
  std::uint64_t packed_bytes = 0;   // 0: no weight, or one that the runtime reads itself
  std::uint64_t raw_bytes = 0;      // in the file
  std::uint64_t layout = 0;         // equal where two kernels pack the same rows in the same way
  std::uint64_t staging_bytes = 0;  // while it is packed
};

/// What the kernel of a node asks for; what the planner knows of kernels.
struct NodeNeeds {
  std::uint64_t scratch_bytes = 0;
  double seconds = 0;  // to compute, weights packed
  bool keeps_bits_by_channels = false;
  std::vector<WeightNeeds> src;
};
using NeedsOf = std::function<NodeNeeds(const Graph&, const Node&)>;

enum class Keep : std::uint8_t {
  kStreamed,  // read into the ring and packed in the arena before every use
  kPacked,    // stays as the kernel wants it; read before the first use of the first run
};

/// A weight as some nodes, not far from each other, use it.
struct WeightUse {
  ValueId weight = -1;
  int first_node = 0;  // the one before which it is packed
  int last_node = 0;
  WeightNeeds needs;
  Keep keep = Keep::kStreamed;
  Place packed;  // in the arena from first_node to last_node, or in the resident region
};

struct NodeWeight {
  int node = 0;
  int src = 0;
  int use = 0;  // index into Plan::weights
};

struct Plan {
  std::uint64_t arena_bytes = 0;
  std::uint64_t ring_bytes = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t staging_bytes = 0;  // while weights are packed
  std::uint64_t tables_bytes = 0;   // of the graph and of the plan itself
  std::uint64_t file_bytes = 0;
  std::vector<Place> values;             // by value, in the arena or the file; 0 bytes for weights
  std::vector<bool> in_file;             // by value
  std::vector<bool> silent;              // by node: views and joins, which are not run
  std::vector<Place> scratch;            // by node, in the arena
  std::vector<int> spilled_before;       // by node: a Spill's source is free from this node on
  std::vector<WeightUse> weights;        // by first_node
  std::vector<NodeWeight> node_weights;  // by node

  /// What the regions in memory and the tables take together.
  std::uint64_t memory_bytes() const {
    return arena_bytes + ring_bytes + resident_bytes + staging_bytes + tables_bytes;
  }
};

/// A graph as it will run.
struct Program {
  Graph graph;
  std::vector<NodeNeeds> needs;  // by node
  Plan plan;
  double seconds = 0;       // predicted, of a run after the first
  double wait_seconds = 0;  // of which the compute waits for weights and the scratch file
};

/// Walks a plan as a run would and throws Error(kInternal) at the first thing that is wrong: a read
/// of bytes that something else has overwritten or that were never written, two live things in one
/// place, a place outside its region or badly aligned. Shares no code with the planner.
void check_plan(const Graph& graph, const std::vector<NodeNeeds>& needs, const Plan& plan);

}  // namespace semblance
