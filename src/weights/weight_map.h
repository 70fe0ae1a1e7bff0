// Weights as they lie in files: a name, a type, a shape and a place. Nothing is loaded; whoever
// needs numbers reads a range. A WeightMap holds the files open as long as it, or a tensor copied
// from it, lives. Const use is thread-safe, and so is reading, as File is.
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

/// Blocks of a tensor: bytes [offset, offset + bytes) of its file. What they are for begins at
/// element `first` of them.
struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::int64_t first = 0;
};

/// A tensor where it lies: as many elements as the shape says, row-major, little endian, in the
/// blocks of `file` from `offset` on (of one element each, but for ggml's types). A row may begin
/// inside a block. Readers have checked that bytes [offset, offset + bytes()) are inside the file.
struct StoredTensor {
  DType dtype = DType::kF32;
  Shape shape;
  std::shared_ptr<const File> file;
  std::uint64_t offset = 0;
  std::int64_t first = 0;  // elements of the first block that are not the tensor's
  float scale = 1;         // of every element: the tensor is this times what is stored

  std::uint64_t bytes() const { return extent(0, rows()).bytes; }
  /// Sizes of the first axis; a scalar is one row of one element.
  std::int64_t rows() const { return shape.rank() == 0 ? 1 : shape[0]; }
  std::int64_t row_elements() const { return shape.rank() == 0 ? 1 : shape.elements_from(1); }
  /// The blocks that hold rows [first_row, first_row + count).
  Extent extent(std::int64_t first_row, std::int64_t count) const;
  /// What a row takes at most, and `count` rows, wherever they begin.
  std::uint64_t row_bytes() const { return rows_bytes(1); }
  std::uint64_t rows_bytes(std::int64_t count) const;
  /// Rows [first_row, first_row + count), which are inside, as a tensor.
  StoredTensor take(std::int64_t first_row, std::int64_t count) const;
};

/// What so many elements take in a file at most, wherever in a block they begin.
std::uint64_t most_bytes(DType dtype, std::uint64_t elements);

/// `raw`: the bytes of tensor.extent() of some rows. Their values become dst, whose size says how
/// many elements they have. Allocates nothing.
void widen(const StoredTensor& tensor, const Extent& extent, std::span<const std::byte> raw,
           std::span<float> dst);

/// Names to tensors, in the order of names. Canonical names are diffusers'.
class WeightMap {
 public:
  using Tensors = std::map<std::string, StoredTensor, std::less<>>;

  /// Throws Error(kCorrupt) when the name is there already.
  void add(std::string name, StoredTensor tensor);
  /// nullptr when there is no such tensor; else valid until the map changes.
  const StoredTensor* find(std::string_view name) const;
  /// Whether there is a tensor whose name begins so.
  bool has_under(std::string_view prefix) const;
  /// Those whose names begin so, without the prefix.
  WeightMap under(std::string_view prefix) const;
  /// Takes over all of `other`, with `prefix` in front of every name: merge("unet.", ...). Throws
  /// Error(kCorrupt) for a name that is there already.
  void merge(std::string_view prefix, WeightMap other);

  std::size_t size() const { return tensors_.size(); }
  bool empty() const { return tensors_.empty(); }
  Tensors::const_iterator begin() const { return tensors_.begin(); }
  Tensors::const_iterator end() const { return tensors_.end(); }

 private:
  Tensors tensors_;
};

/// The texts that a file carries beside its tensors, by their keys.
using Metadata = std::map<std::string, std::string>;

/// What a file of weights has.
struct WeightFile {
  WeightMap weights;
  Metadata metadata;
};

/// Reads rows [first_row, first_row + rows) of the first axis as f32 into dst, which has exactly
/// rows * row_elements() floats. `raw` is staging, so that nothing is allocated: at least
/// rows_bytes(rows) bytes (f32 goes straight to dst, and raw may be empty then). Throws what
/// File::read throws.
void read_rows(const StoredTensor& tensor, std::int64_t first_row, std::int64_t rows,
               std::span<std::byte> raw, std::span<float> dst);

}  // namespace semblance
