// A graph's weight in its file: a stored tensor, or the concatenation of some ranges of its rows,
// and what is added to it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "runtime/row_patcher.h"
#include "weights/weight_patch.h"

namespace semblance {

/// A range of bytes of a file.
struct FilePiece {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// Const use is thread-safe.
struct WeightRows {
  StoredTensor tensor;
  std::vector<RowRange> rows;  // of the tensor; empty: all of them
  /// Changes the rows after they are read; nullptr if they are as stored. Reading knows nothing of
  /// it: the packer applies it.
  std::shared_ptr<const RowPatcher> patcher = {};

  std::int64_t row_count() const;
  std::uint64_t bytes() const;  // of pieces()
  /// Where the rows are in the file, in order; adjacent ranges are one piece. Ranges of a tensor
  /// stored in blocks stay separate: each includes the whole block in which it begins.
  std::vector<FilePiece> pieces() const;
  /// Reads rows [first_row, first_row + count) of this weight as stored, count * tensor.row_bytes()
  /// bytes; not for types stored in blocks. Throws what File::read throws.
  void read_raw(std::int64_t first_row, std::int64_t count, std::span<std::byte> dst) const;
  /// The same for any type, converted to count * tensor.row_elements() f32 values. `raw` is staging
  /// of at least tensor.rows_bytes(count) bytes; f32 files are read straight into dst.
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

/// The stored weight of a graph's value. What `weights` shows must outlive it. Throws
/// Error(kMissing) if the files lack it, Error(kShape) if its shape differs or the tensor lacks
/// some of its rows.
WeightRows find_weight(const WeightView& weights, const ValueInfo& value);

}  // namespace semblance
