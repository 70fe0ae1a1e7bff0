// The graph: what is computed. It holds no weight data and knows no device.
//
// Values are inputs, weights (with the checkpoint's names) or results of nodes. Nodes are in
// execution order. Pictures are channels last, [n,h,w,c]; sequences [n,l,c]; weights have the
// shapes of checkpoint files. Nothing is ever removed. Adding to a graph is not thread-safe.
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
  std::vector<RowRange> rows = {};  // of the named tensor, concatenated; empty: the whole tensor
};

struct Node {
  Op op;
  std::vector<ValueId> src;
  ValueId dst = -1;
};

class Graph {
 public:
  /// Throws Error(kInternal) if an input of that name exists.
  ValueId add_input(std::string name, TensorType type);
  /// Adding a weight again with the same rows returns the same value. Throws Error(kShape) if the
  /// types differ or if the rows do not add up to the type's first size.
  ValueId add_weight(const std::string& name, TensorType type, std::vector<RowRange> rows = {});
  /// Appends a node and infers its result's type. Throws Error(kShape).
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
  /// Operations of one node.
  Operations cost(const Node& node) const;
  /// Of the whole graph.
  Operations cost() const;

 private:
  std::vector<ValueInfo> values_;
  std::vector<Node> nodes_;
  std::vector<std::pair<std::string, ValueId>> outputs_;
  std::vector<ValueId> weights_;  // sorted by name, then rows
};

/// The text form, one line per value or node; parse_graph() reads it back. For tests and bug
/// reports.
std::string to_string(const Graph& graph);
/// Throws Error(kCorrupt) with the line number.
Graph parse_graph(std::string_view text);

}  // namespace semblance
