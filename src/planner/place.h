// Where the values of a lowered graph lie: which of them share a place, how long each place is
// needed, and offsets.
#pragma once

#include <limits>
#include <vector>

#include "planner/plan.h"

namespace semblance {

inline constexpr int kForever = std::numeric_limits<int>::max();

/// Values that lie in one place have one root: the largest of them, which says how large the place
/// is. By value, but for `silent`, which is by node.
struct Sharing {
  std::vector<ValueId> root;
  std::vector<std::uint64_t> offset;  // inside the root's place
  std::vector<bool> in_file;
  std::vector<int> first;  // of roots: while which nodes the place is needed; -1 before the first
  std::vector<int> last;   // kForever: after the run, too
  std::vector<bool> silent;
};
Sharing find_sharing(const Lowered& program);

/// Something that needs a place while nodes [first, last] run.
struct Block {
  std::uint64_t bytes = 0;
  int first = 0;
  int last = 0;
  std::uint64_t offset = 0;
};

/// Gives every block an offset at which it meets no other that lives at the same time. Returns the
/// bytes that all of them need. Blocks' bytes are multiples of their alignment.
std::uint64_t place_blocks(std::vector<Block>& blocks);

}  // namespace semblance
