// Reads the pickle of a torch checkpoint as data. A pickle is a program for a stack machine; this
// reader knows the instructions that build dicts, lists, tuples, text and numbers, and the few
// names that torch.save refers to. Nothing is ever executed: a "call" of a known name makes a
// PickleNode that describes the result, and a call of any other name (a trainer's callback, an
// optimiser) makes an object of which only the name is kept. A name that runs programs or code is
// an error: only malicious files have one.
// Instructions: CPython's Lib/pickletools.py; names: torch/_utils.py and torch/serialization.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"

namespace semblance {

/// One value of a pickle. The kind determines which fields are used.
struct PickleNode {
  enum class Kind {
    kOther,    // None, a float, bytes, a torch.dtype: not needed for a checkpoint's weights
    kObject,   // an instance of an unknown class; text: the class's name
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

/// All values of a pickle. Values refer to each other by index. A hostile pickle may contain
/// cycles, so code that walks the values must limit itself.
struct Pickle {
  std::vector<PickleNode> nodes;
  PickleNode::Index top = 0;
  std::size_t bytes = 0;  // that it takes: others may follow it
};

/// Throws Error(kCorrupt), which begins with "cannot read {what}: ", for an instruction that no
/// checkpoint has, for a name that runs programs or code, for stack, memo or type errors, and above
/// 2^20 values.
Pickle read_pickle(std::string_view what, std::string_view bytes);

}  // namespace semblance
