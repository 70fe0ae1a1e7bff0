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

/// A tensor where it lies: bytes [offset, offset + bytes()) of `file`, row-major, little endian.
/// Readers have checked that this range is inside the file.
struct StoredTensor {
  DType dtype = DType::kF32;
  Shape shape;
  std::shared_ptr<const File> file;
  std::uint64_t offset = 0;

  std::uint64_t bytes() const;
  /// Sizes of the first axis; a scalar is one row of one element.
  std::int64_t rows() const { return shape.rank() == 0 ? 1 : shape[0]; }
  std::int64_t row_elements() const { return shape.rank() == 0 ? 1 : shape.elements_from(1); }
  std::uint64_t row_bytes() const;
};

/// Names to tensors, in the order of names. Canonical names are diffusers'.
class WeightMap {
 public:
  using Tensors = std::map<std::string, StoredTensor, std::less<>>;

  /// Throws Error(kCorrupt) when the name is there already.
  void add(std::string name, StoredTensor tensor);
  /// nullptr when there is no such tensor; else valid until the map changes.
  const StoredTensor* find(std::string_view name) const;
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

/// Reads rows [first_row, first_row + rows) of the first axis as f32 into dst, which has exactly
/// rows * row_elements() floats. `raw` is staging, so that nothing is allocated: at least rows *
/// row_bytes() bytes (f32 goes straight to dst, and raw may be empty then). Throws what File::read
/// throws.
void read_rows(const StoredTensor& tensor, std::int64_t first_row, std::int64_t rows,
               std::span<std::byte> raw, std::span<float> dst);

}  // namespace semblance
