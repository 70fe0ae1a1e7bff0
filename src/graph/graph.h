// The graph: what is computed, without weights, without a device.
//
// Values are inputs, weights (named as the checkpoint names them) or results of nodes; nodes are in
// an order in which they can run. Pictures are channels last, [n,h,w,c]; sequences [n,l,c]; weights
// have the shapes of checkpoint files. A graph only grows. Not thread-safe while it grows.
#pragma once

#include <compare>
#include <string>
#include <utility>
#include <vector>

#include "graph/op.h"

namespace semblance {

using ValueId = int;

enum class ValueKind : std::uint8_t { kInput, kWeight, kResult };

/// Rows [first, first + count) of a stored tensor's first axis.
struct RowRange {
  std::int64_t first = 0;
  std::int64_t count = 0;

  friend auto operator<=>(const RowRange&, const RowRange&) = default;
};

struct ValueInfo {
  ValueKind kind = ValueKind::kInput;
  std::string name;   // of inputs and weights
  TensorType type;    // a weight's dtype is the one the op computes with, not the file's
  int producer = -1;  // index of the node, for results
  std::vector<RowRange> rows = {};  // of the named tensor, one after the other, that make up the
                                    // weight; none: it is the whole tensor
};

struct Node {
  Op op;
  std::vector<ValueId> src;
  ValueId dst = -1;
};

class Graph {
 public:
  /// Names of inputs are unique; Error(kInternal) otherwise.
  ValueId add_input(std::string name, TensorType type);
  /// A weight asked for twice, with the same rows, is one value; its types must agree. Rows come
  /// to the type's first size. Error(kShape) otherwise.
  ValueId add_weight(const std::string& name, TensorType type, std::vector<RowRange> rows = {});
  /// Appends a node; its result's type comes from the op's rule. Throws Error(kShape).
  ValueId add(Op op, std::vector<ValueId> src);
  void add_output(std::string name, ValueId value);

  const std::vector<ValueInfo>& values() const { return values_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<std::pair<std::string, ValueId>>& outputs() const { return outputs_; }
  const TensorType& type(ValueId value) const {
    return values_[static_cast<std::size_t>(value)].type;
  }
  /// The input or output of that name, or -1.
  ValueId find_input(std::string_view name) const;
  ValueId find_output(std::string_view name) const;

  std::vector<TensorType> src_types(const Node& node) const;
  /// Operations of one of its nodes.
  Operations cost(const Node& node) const;
  /// Of the whole graph.
  Operations cost() const;

 private:
  std::vector<ValueInfo> values_;
  std::vector<Node> nodes_;
  std::vector<std::pair<std::string, ValueId>> outputs_;
  std::vector<ValueId> weights_;  // sorted by name, then rows
};

/// The text form, one line a value or node; parse() reads it back. For tests and bug reports.
std::string to_string(const Graph& graph);
/// Throws Error(kCorrupt) with the line's number.
Graph parse_graph(std::string_view text);

}  // namespace semblance
