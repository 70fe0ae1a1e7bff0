// Rows of a table by number, from the file: an embedding's table is never held.
#pragma once

#include <span>
#include <vector>

#include "runtime/weight_rows.h"

namespace semblance {

class TableRows {
 public:
  explicit TableRows(WeightRows weight);

  /// Row ids[i] of the table, converted to `dtype`, becomes row i of dst. Throws Error(kShape) for
  /// an id outside of the table, and what reading the file throws.
  void read(std::span<const std::int32_t> ids, DType dtype, std::span<std::byte> dst);

 private:
  WeightRows weight_;
  std::vector<std::byte> raw_;  // of one row
  std::vector<float> plain_;
};

}  // namespace semblance
