// A plan: the place of every byte of a run, as data.
//
// Four regions. The arena holds activations, scratch and packed weights by offset, and reuses the
// places of dead ones. The ring holds streamed weights as read from their files. The resident
// region holds weights that stay in memory. The scratch file holds spilled values.
//
// Views (graph/views.h) are placed in their source, sources of a join in the join, and a result may
// take the place of a source that is not used again. Inputs and outputs keep their places for the
// whole run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "planner/lower.h"

namespace semblance {

/// Every place begins at a multiple of kPlaceAlignment. Places in the scratch file, and those of
/// values moved there, begin at a multiple of kFileAlignment, so that the system can move them
/// without a copy.
inline constexpr std::uint64_t kPlaceAlignment = 64;
inline constexpr std::uint64_t kFileAlignment = 4096;

struct Place {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// What a kernel needs for a source that is a weight.
struct WeightNeeds {
  std::uint64_t packed_bytes = 0;   // 0: not a weight, or one that the runtime reads itself
  std::uint64_t raw_bytes = 0;      // size in the files, that of added factors included
  std::uint64_t layout = 0;         // equal if two kernels pack the same rows in the same way
  std::uint64_t staging_bytes = 0;  // needed during packing
  double added_operations = 0;      // to compute what is added to it, before each packing
};

/// What a node's kernel needs. The planner knows nothing else about kernels.
struct NodeNeeds {
  std::uint64_t scratch_bytes = 0;
  double seconds = 0;  // to compute, with its weights already packed
  bool is_exact_by_channels = false;
  std::vector<WeightNeeds> src;
};
using NeedsOf = std::function<NodeNeeds(const Graph&, const Node&)>;

enum class Keep : std::uint8_t {
  kOnce,      // read into the ring and packed in the arena, in the first run only
  kStreamed,  // read into the ring and packed in the arena for every use
  kPacked,    // stays in memory, packed; read before the first use in the first run
};

/// One use of a weight by one or more nodes near each other.
struct WeightUse {
  ValueId weight = -1;
  int loaded_from = 0;  // its place in the arena is free from this node on, so it can be loaded
  int first_node = 0;   // it is packed before this node
  int last_node = 0;
  WeightNeeds needs;
  Keep keep = Keep::kStreamed;
  Place packed;  // in the arena from loaded_from to last_node, or in the resident region
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
  std::uint64_t slab_bytes = 0;     // no resident weight lies across a multiple of it; 0: any may
  std::uint64_t staging_bytes = 0;  // for packing weights
  std::uint64_t tables_bytes = 0;   // the graph and the plan itself
  std::uint64_t file_bytes = 0;
  bool file_in_memory = false;      // the process has room for spilled values, so no file is needed
  std::vector<Place> values;        // by value, in the arena or the file; 0 bytes for weights
  std::vector<bool> in_file;        // by value
  std::vector<bool> is_view;        // by node: whether it is a view or join, which is not run
  std::vector<bool> runs_once;      // by node: its result stays; it runs only in the first run
  std::vector<Place> scratch;       // by node, in the arena
  std::vector<int> spilled_before;  // by node: first node that may reuse a Spill's source
  std::vector<WeightUse> weights;   // by first_node
  std::vector<NodeWeight> node_weights;  // by node

  /// Bytes where the kernels run: arena and resident region.
  std::uint64_t places_bytes() const { return arena_bytes + resident_bytes; }
  /// Bytes in the process in any case: what reads weights, the tables, and the file in memory.
  std::uint64_t host_bytes() const {
    return ring_bytes + staging_bytes + tables_bytes + (file_in_memory ? file_bytes : 0);
  }
  std::uint64_t memory_bytes() const { return places_bytes() + host_bytes(); }
};

/// A graph as it will run.
struct Program {
  Graph graph;
  std::vector<NodeNeeds> needs;  // by node
  Plan plan;
  double seconds = 0;       // predicted for every run but the first
  double wait_seconds = 0;  // part of `seconds` spent waiting for weights and the scratch file
};

/// Simulates the first run of the plan and a later one, where nodes that depend on nothing but
/// `steady_inputs` (FitOptions) need not run, and throws Error(kInternal) at the first mistake:
/// reading bytes that were overwritten or never written, two live values in one place, a place
/// outside its region or misaligned. A weight may be loaded at any time from its `loaded_from` on.
/// Shares no code with the planner.
void check_plan(const Graph& graph, const std::vector<NodeNeeds>& needs, const Plan& plan,
                const std::vector<std::string>& steady_inputs = {});

}  // namespace semblance
