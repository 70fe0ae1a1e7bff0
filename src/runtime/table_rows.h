// Reads rows of an embedding's table from its file, so that the table is never held in memory.
#pragma once

#include <span>
#include <vector>

#include "runtime/weight_rows.h"

namespace semblance {

class TableRows {
 public:
  explicit TableRows(WeightRows weight);

  /// Converts row ids[i] of the table to `dtype` and writes it to row i of dst. Throws
  /// Error(kShape) for an id outside the table, and what reading the file throws.
  void read(std::span<const std::int32_t> ids, DType dtype, std::span<std::byte> dst);

 private:
  WeightRows weight_;
  std::vector<std::byte> raw_;  // of one row
  std::vector<float> plain_;
};

}  // namespace semblance
