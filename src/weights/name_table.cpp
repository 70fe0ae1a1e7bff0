#include "weights/name_table.h"

#include "weights/audit.h"

namespace semblance {

WeightMap renamed(const WeightMap& weights, std::span<const NameRow> table) {
  WeightMap result;
  for (const auto& [published, tensor] : weights) {
    std::string name = published;
    StoredTensor stored = tensor;
    for (const NameRow& row : table) {
      if (!matches_pattern(name, row.in)) continue;
      if (row.from.empty()) {
        name.insert(0, row.to);
      } else if (const std::size_t at = name.find(row.from); at != std::string::npos) {
        name.replace(at, row.from.size(), row.to);
      }
      const Shape& shape = stored.shape;
      if (row.squeeze && shape.rank() == 4 && shape[2] == 1 && shape[3] == 1)
        stored.shape = Shape{shape[0], shape[1]};
    }
    result.add(std::move(name), std::move(stored));
  }
  return result;
}

}  // namespace semblance
