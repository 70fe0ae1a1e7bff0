// The pickle of a torch checkpoint, read as data. A pickle is a program for a stack machine; this
// reader knows the instructions that build dicts, lists, tuples, text and numbers, and the few
// names that torch.save refers to. Nothing is ever executed: a "call" of a known name makes a Node
// that says what it would be, and one of another name (a callback of a trainer, an optimiser) an
// object of which nothing but the name is kept. A name that runs programs or code ends the reading:
// it is there to do harm to others.
// Instructions: CPython's Lib/pickletools.py; names: torch/_utils.py and torch/serialization.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"

namespace semblance {

/// One value of a pickle. Which fields count is up to the kind.
struct PickleNode {
  enum class Kind {
    kOther,    // None, a float, bytes, a torch.dtype: nothing that a checkpoint's weights need
    kObject,   // of a class that is not known; text: its name
    kInteger,  // integer; 0 or 1 for a bool
    kText,     // text
    kList,     // children
    kTuple,    // children
    kDict,     // children: key, value, key, value, ...
    kGlobal,   // text: "module name"
    kStorage,  // text: its key; dtype; integer: number of elements
    kTensor,   // children: storage; integer: offset in elements; sizes, strides
  };
  using Index = std::uint32_t;

  Kind kind = Kind::kOther;
  DType dtype = DType::kF32;
  std::int64_t integer = 0;
  std::string text;
  std::vector<Index> children;
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;
};

/// All values of a pickle. Values refer to each other by index, and a hostile pickle may make
/// them refer in a circle: whoever walks them counts.
struct Pickle {
  std::vector<PickleNode> nodes;
  PickleNode::Index top = 0;
  std::size_t bytes = 0;  // that it takes: others may follow it
};

/// Throws Error(kCorrupt), beginning "cannot read {what}: ", for an instruction that no checkpoint
/// has, for a name that runs programs or code, for a stack, a memo or values of the wrong kind, and
/// beyond 2^20 values.
Pickle read_pickle(std::string_view what, std::string_view bytes);

}  // namespace semblance
