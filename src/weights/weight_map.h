// Weights in files: a name, a type, a shape and a place. Nothing is loaded; code that needs the
// numbers reads a range. The files stay open as long as the WeightMap, or a tensor copied from it,
// exists. Const use and reading are thread-safe, like File.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/dtype.h"
#include "core/shape.h"
#include "memory/file.h"

namespace semblance {

/// Blocks of a tensor: bytes [offset, offset + bytes) of its file. The wanted elements begin at
/// element `first` of them.
struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::int64_t first = 0;
};

/// A tensor in a file: the shape's elements, row-major, little endian, in the blocks of `file` from
/// `offset` on (one element per block, except for ggml's types). A row can begin inside a block.
/// Readers have checked that bytes [offset, offset + bytes()) are inside the file.
struct StoredTensor {
  DType dtype = DType::kF32;
  Shape shape;
  std::shared_ptr<const File> file;
  std::uint64_t offset = 0;
  std::int64_t first = 0;  // elements of the first block before the tensor's
  float scale = 1;         // every stored element is multiplied by it

  std::uint64_t bytes() const { return extent(0, rows()).bytes; }
  /// The size of the first axis; a scalar is one row of one element.
  std::int64_t rows() const { return shape.rank() == 0 ? 1 : shape[0]; }
  std::int64_t row_elements() const { return shape.rank() == 0 ? 1 : shape.elements_from(1); }
  /// The blocks that hold rows [first_row, first_row + count).
  Extent extent(std::int64_t first_row, std::int64_t count) const;
  /// The most bytes that a row, or `count` rows, take, wherever they begin.
  std::uint64_t row_bytes() const { return rows_bytes(1); }
  std::uint64_t rows_bytes(std::int64_t count) const;
  /// Rows [first_row, first_row + count) as a tensor; they must exist.
  StoredTensor take(std::int64_t first_row, std::int64_t count) const;
};

/// The most bytes that so many elements take in a file, wherever in a block they begin.
std::uint64_t most_bytes(DType dtype, std::uint64_t elements);

/// Widens the values of some rows to dst, whose size is their number of elements. `raw`: the bytes
/// of tensor.extent() of these rows. Allocates nothing.
void widen(const StoredTensor& tensor, const Extent& extent, std::span<const std::byte> raw,
           std::span<float> dst);

/// Tensors by name, sorted. Canonical names are diffusers'.
class WeightMap {
 public:
  using Tensors = std::map<std::string, StoredTensor, std::less<>>;

  /// Throws Error(kCorrupt) if the name already exists.
  void add(std::string name, const StoredTensor& tensor);
  /// nullptr if there is no such tensor; else valid until the map changes.
  const StoredTensor* find(std::string_view name) const;
  /// Whether any tensor's name begins with `prefix`.
  bool has_under(std::string_view prefix) const;
  /// The tensors whose names begin with `prefix`, without it.
  WeightMap under(std::string_view prefix) const;
  /// Adds all of `other`, with `prefix` before every name: merge("unet.", ...). Throws
  /// Error(kCorrupt) if a name already exists.
  void merge(std::string_view prefix, const WeightMap& other);

  std::size_t size() const { return tensors_.size(); }
  bool empty() const { return tensors_.empty(); }
  Tensors::const_iterator begin() const { return tensors_.begin(); }
  Tensors::const_iterator end() const { return tensors_.end(); }

 private:
  Tensors tensors_;
};

/// A file's texts by key.
using Metadata = std::map<std::string, std::string>;

/// The content of a weight file.
struct WeightFile {
  WeightMap weights;
  Metadata metadata;
};

/// Reads rows [first_row, first_row + rows) of the first axis as f32 into dst, which has exactly
/// rows * row_elements() floats. `raw` is a staging buffer, so that nothing is allocated: at least
/// rows_bytes(rows) bytes (may be empty for f32, which is read directly into dst). Throws what
/// File::read throws.
void read_rows(const StoredTensor& tensor, std::int64_t first_row, std::int64_t rows,
               std::span<std::byte> raw, std::span<float> dst);

}  // namespace semblance
