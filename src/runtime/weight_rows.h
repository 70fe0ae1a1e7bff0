// A weight of a graph in its file: a stored tensor, or some ranges of its rows one after the other.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "weights/weight_map.h"

namespace semblance {

/// Bytes of a file.
struct FilePiece {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// Const use is thread-safe.
struct WeightRows {
  StoredTensor tensor;
  std::vector<RowRange> rows;  // inside the tensor; none: all of it

  std::int64_t row_count() const;
  std::uint64_t bytes() const;  // of pieces()
  /// Where the rows lie, in their order; neighbours are one piece. Ranges of a tensor in blocks are
  /// told apart: each has all of the block in which it begins.
  std::vector<FilePiece> pieces() const;
  /// Rows [first_row, first_row + count) of this weight, of a type that does not lie in blocks, as
  /// they lie in the file, count * tensor.row_bytes() bytes. Throws what File::read throws.
  void read_raw(std::int64_t first_row, std::int64_t count, std::span<std::byte> dst) const;
  /// The same of any type as f32, count * tensor.row_elements() of them. `raw` is staging of
  /// tensor.rows_bytes(count) bytes at least; f32 goes straight to dst.
  void read(std::int64_t first_row, std::int64_t count, std::span<std::byte> raw,
            std::span<float> dst) const;
  /// The same out of `all`, the bytes of pieces() one after the other.
  void convert(std::int64_t first_row, std::int64_t count, std::span<const std::byte> all,
               std::span<float> dst) const;

 private:
  template <typename Use>
  void each_range(std::int64_t first_row, std::int64_t count, Use&& use) const;
};

/// Bytes of WeightRows{tensor, rows}.
std::uint64_t stored_bytes(const StoredTensor& tensor, std::span<const RowRange> rows);

/// The stored weight of a graph's value. Error(kMissing) when it is not in the files, Error(kShape)
/// when its shape differs or its rows are not inside.
WeightRows find_weight(const WeightMap& weights, const ValueInfo& value);

}  // namespace semblance
