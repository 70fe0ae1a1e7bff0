// ComfyUI's graph in the format of its API: {"3": {"class_type": "KSampler", "inputs": {"steps":
// 20, "model": ["4", 0]}}, ...}. An input is a value, or a link: a node and the number of its
// result.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace semblance {

class ComfyGraph {
 public:
  struct Node {
    std::string id;
    std::string type;
    const nlohmann::json* inputs = nullptr;
    std::vector<const Node*> sources = {};  // the nodes at its links
    bool is_used = false;                   // another node has a link to it
  };

  /// Throws Error(kCorrupt) for what is no such graph, more than 4 MiB of text, more than 5,000
  /// nodes, or links that lead back to their node. `name` is for messages.
  ComfyGraph(std::string_view text, const std::string& name);

  /// Each after all nodes to which its links lead.
  const std::vector<const Node*>& nodes() const { return order_; }
  /// The node at the link `key`; nullptr if that input is no link.
  const Node* linked(const Node& node, std::string_view key) const;
  /// The value `key`, or where it is a link, the value of the node there that has its name or holds
  /// nothing else. nullptr if there is none.
  const nlohmann::json* value(const Node& node, std::string_view key) const;
  /// A value that is a text or a number, as text.
  std::optional<std::string> text(const Node& node, std::string_view key) const;
  std::optional<double> number(const Node& node, std::string_view key) const;
  /// The node and all to which its links lead, in the order of nodes().
  std::vector<const Node*> upstream(const Node& node) const;

 private:
  const Node* target_of(const nlohmann::json& input) const;
  void sort();

  std::string name_;
  Json json_;
  std::map<std::string, Node, std::less<>> nodes_;
  std::vector<const Node*> order_;
};

}  // namespace semblance
