// Places of a lowered graph's values: which values share a place, how long each place is needed,
// and its offset.
#pragma once

#include <limits>
#include <vector>

#include "planner/plan.h"

namespace semblance {

inline constexpr int kForever = std::numeric_limits<int>::max();

/// Values that share a place have the same root: the largest of them, which determines the place's
/// size. Indexed by value, except `is_view`, which is by node.
struct Sharing {
  std::vector<ValueId> root;
  std::vector<std::uint64_t> offset;  // inside the root's place
  std::vector<bool> in_file;
  std::vector<int> first;  // of roots: first node that needs the place; -1: before the run
  std::vector<int> last;   // of roots: last node that needs it; kForever: also after the run
  std::vector<bool> is_view;
  std::vector<bool> runs_once;  // by node
};
Sharing find_sharing(const Lowered& program);
/// The same, but results that are equal in every run stay, as far as they pay: those of nodes that
/// read a larger weight and depend on nothing but these inputs. Places in the scratch file do not.
Sharing find_sharing(const Lowered& program, const std::vector<NodeNeeds>& needs,
                     const std::vector<std::string>& steady_inputs);

/// Something that needs a place while nodes [first, last] run.
struct Block {
  std::uint64_t bytes = 0;
  int first = 0;
  int last = 0;
  std::uint64_t offset = 0;
};

/// Gives every block an offset where it overlaps no other block that is live at the same time.
/// Returns the total bytes needed. Blocks' bytes must be multiples of their alignment.
std::uint64_t place_blocks(std::vector<Block>& blocks);

}  // namespace semblance
