#include "app/comfy_graph.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "weights/names.h"

namespace semblance {
namespace {

using nlohmann::json;

constexpr std::size_t kMostGraphBytes = std::size_t{4} << 20U;
constexpr std::size_t kMostNodes = 5000;

/// Python writes NaN, which is no JSON: "is_changed": [NaN]. It becomes 0.
std::string without_nan(std::string_view text) {
  constexpr std::string_view kNan = "NaN";
  std::string plain(text);
  bool in_string = false;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (in_string && plain[i] == '\\') {
      ++i;
    } else if (plain[i] == '"') {
      in_string = !in_string;
    } else if (!in_string && plain.compare(i, kNan.size(), kNan) == 0) {
      plain.replace(i, kNan.size(), "0  ");
    }
  }
  return plain;
}

Json parsed_graph(std::string_view text, const std::string& name) {
  if (text.size() > kMostGraphBytes) {
    fail(ErrorKind::kCorrupt, "cannot read {}: expected at most {} bytes, got {}", name,
         kMostGraphBytes, text.size());
  }
  return Json::parse(name, without_nan(text));
}

}  // namespace

ComfyGraph::ComfyGraph(std::string_view text, const std::string& name)
    : name_(name), json_(parsed_graph(text, name)) {
  const json& all = json_.value();
  const auto refuse = [&](std::string_view got) {
    fail(ErrorKind::kCorrupt, "cannot read {}: expected nodes with class_type and inputs, got {}",
         name_, got);
  };
  if (!all.is_object() || all.empty()) refuse(all.is_object() ? "none" : "no object");
  if (all.size() > kMostNodes) {
    fail(ErrorKind::kCorrupt, "cannot read {}: expected at most {} nodes, got {}", name_,
         kMostNodes, all.size());
  }
  for (const auto& [id, value] : all.items()) {
    const auto type = value.is_object() ? value.find("class_type") : value.end();
    const auto inputs = value.is_object() ? value.find("inputs") : value.end();
    if (type == value.end() || inputs == value.end() || !type->is_string() || !inputs->is_object())
      refuse(fmt::format("another value for {}", printable(id)));
    nodes_[id] = Node{.id = id, .type = type->get<std::string>(), .inputs = &*inputs};
  }
  for (auto& [id, node] : nodes_) {
    for (const json& input : *node.inputs) {
      if (const Node* const source = target_of(input)) node.sources.push_back(source);
    }
  }
  for (auto& [id, node] : nodes_) {
    for (const Node* source : node.sources) nodes_.find(source->id)->second.is_used = true;
  }
  sort();
}

const ComfyGraph::Node* ComfyGraph::target_of(const json& input) const {
  if (!input.is_array() || input.size() != 2 || !input[1].is_number_integer()) return nullptr;
  if (!input[0].is_string()) return nullptr;
  const auto found = nodes_.find(input[0].get_ref<const std::string&>());
  return found == nodes_.end() ? nullptr : &found->second;
}

/// Depth first, without recursion: a chain of links may be long.
void ComfyGraph::sort() {
  struct Visit {
    const Node* node;
    std::size_t next = 0;  // of its sources
  };
  std::set<const Node*> open, done;
  for (const auto& [id, start] : nodes_) {
    std::vector<Visit> path;
    if (!done.contains(&start)) path.push_back({&start});
    while (!path.empty()) {
      Visit& visit = path.back();
      const Node& node = *visit.node;
      if (visit.next == 0) open.insert(&node);
      if (visit.next == node.sources.size()) {
        open.erase(&node);
        done.insert(&node);
        order_.push_back(&node);
        path.pop_back();
        continue;
      }
      const Node* const source = node.sources[visit.next++];
      if (open.contains(source)) {
        fail(ErrorKind::kCorrupt, "cannot read {}: the links of its node {} ({}) lead back to it",
             name_, printable(source->id), printable(source->type));
      }
      if (!done.contains(source)) path.push_back({source});
    }
  }
}

const ComfyGraph::Node* ComfyGraph::linked(const Node& node, std::string_view key) const {
  const auto input = node.inputs->find(key);
  return input == node.inputs->end() ? nullptr : target_of(*input);
}

const json* ComfyGraph::value(const Node& node, std::string_view key) const {
  constexpr std::string_view kHolders[] = {"value", "text",   "string", "int",
                                           "float", "number", "seed"};
  const Node* at = &node;
  std::string_view name = key;
  for (;;) {
    const auto input = at->inputs->find(name);
    if (input == at->inputs->end()) return nullptr;
    const Node* const next = target_of(*input);
    if (next == nullptr) return &*input;
    const auto has = [next](std::string_view holder) { return next->inputs->contains(holder); };
    const auto* const holder = std::ranges::find_if(kHolders, has);
    if (!has(key) && holder == std::end(kHolders)) return nullptr;
    name = has(key) ? key : *holder;
    at = next;
  }
}

std::optional<std::string> ComfyGraph::text(const Node& node, std::string_view key) const {
  const json* const found = value(node, key);
  if (found == nullptr || !(found->is_string() || found->is_number())) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  const double number = found->get<double>();
  const bool is_whole =
      found->is_number_float() && std::abs(number) < 1e9 && number == std::floor(number);  // 20.0
  return is_whole ? fmt::format("{:.0f}", number) : found->dump();
}

std::optional<double> ComfyGraph::number(const Node& node, std::string_view key) const {
  const json* const found = value(node, key);
  if (found == nullptr || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::vector<const ComfyGraph::Node*> ComfyGraph::upstream(const Node& node) const {
  std::set<const Node*> seen{&node};
  std::vector<const Node*> left{&node};
  while (!left.empty()) {
    const Node* const next = left.back();
    left.pop_back();
    for (const Node* source : next->sources) {
      if (seen.insert(source).second) left.push_back(source);
    }
  }
  std::vector<const Node*> sorted;
  std::ranges::copy_if(order_, std::back_inserter(sorted),
                       [&](const Node* each) { return seen.contains(each); });
  return sorted;
}

}  // namespace semblance
