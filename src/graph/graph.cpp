#include "graph/graph.h"

#include <algorithm>
#include <tuple>

namespace semblance {
namespace {

constexpr std::int64_t kMostRows = std::int64_t{1} << 48;  // also the most elements of a Shape

void check_rows(const std::string& name, const TensorType& type,
                const std::vector<RowRange>& rows) {
  if (rows.empty()) return;
  const std::int64_t wanted = type.shape.rank() == 0 ? 0 : type.shape[0];
  std::int64_t rest = wanted;
  for (const RowRange& range : rows) {
    if (range.first < 0 || range.count <= 0 || range.count > rest ||
        range.first > kMostRows - range.count) {
      rest = -1;
      break;
    }
    rest -= range.count;
  }
  if (rest != 0) {
    fail(ErrorKind::kShape, "weight {}: row ranges must add up to the {} rows of {}", name, wanted,
         to_string(type));
  }
}

}  // namespace

std::string_view name_of(const Op& op) {
  return std::visit([](const auto& o) { return o.kName; }, op);
}

ValueId Graph::add_input(std::string name, TensorType type) {
  SEMBLANCE_ASSERT(find_input(name) < 0);
  values_.push_back({ValueKind::kInput, std::move(name), type, -1});
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId Graph::add_weight(const std::string& name, TensorType type, std::vector<RowRange> rows) {
  check_rows(name, type, rows);
  const auto key = std::tie(name, rows);
  const auto place = std::lower_bound(
      weights_.begin(), weights_.end(), key, [this](ValueId id, const auto& wanted) {
        const ValueInfo& value = values_[static_cast<std::size_t>(id)];
        return std::tie(value.name, value.rows) < wanted;
      });
  if (place != weights_.end()) {
    const ValueInfo& known = values_[static_cast<std::size_t>(*place)];
    if (std::tie(known.name, known.rows) == key) {
      if (!(known.type == type)) {
        fail(ErrorKind::kShape, "weight {} is used as both {} and {}", name, to_string(known.type),
             to_string(type));
      }
      return *place;
    }
  }
  const auto id = static_cast<ValueId>(values_.size());
  weights_.insert(place, id);
  values_.push_back({ValueKind::kWeight, name, type, -1, std::move(rows)});
  return id;
}

ValueId Graph::add(Op op, std::vector<ValueId> src) {
  Node node{std::move(op), std::move(src), static_cast<ValueId>(values_.size())};
  for (ValueId value : node.src) SEMBLANCE_ASSERT(value >= 0 && value < node.dst);
  const std::vector<TensorType> types = src_types(node);
  const TensorType type = std::visit([&](const auto& o) { return o.infer(types); }, node.op);
  values_.push_back({ValueKind::kResult, {}, type, static_cast<int>(nodes_.size())});
  nodes_.push_back(std::move(node));
  return nodes_.back().dst;
}

void Graph::add_output(std::string name, ValueId value) {
  SEMBLANCE_ASSERT(value >= 0 && value < static_cast<ValueId>(values_.size()) &&
                   find_output(name) < 0);
  outputs_.emplace_back(std::move(name), value);
}

ValueId Graph::find_input(std::string_view name) const {
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (values_[i].kind == ValueKind::kInput && values_[i].name == name)
      return static_cast<ValueId>(i);
  }
  return -1;
}

ValueId Graph::find_output(std::string_view name) const {
  for (const auto& [known, value] : outputs_) {
    if (known == name) return value;
  }
  return -1;
}

std::vector<TensorType> Graph::src_types(const Node& node) const {
  std::vector<TensorType> types;
  types.reserve(node.src.size());
  for (ValueId value : node.src) types.push_back(type(value));
  return types;
}

Operations Graph::cost(const Node& node) const {
  const std::vector<TensorType> types = src_types(node);
  return std::visit([&](const auto& op) { return op.cost(types, type(node.dst)); }, node.op);
}

Operations Graph::cost() const {
  Operations sum = 0;
  for (const Node& node : nodes_) sum += cost(node);
  return sum;
}

}  // namespace semblance
