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

/// A tensor in a file: bytes [offset, offset + bytes()) of `file`, row-major, little endian.
/// Readers have checked that this range is inside the file.
struct StoredTensor {
  DType dtype = DType::kF32;
  Shape shape;
  std::shared_ptr<const File> file;
  std::uint64_t offset = 0;

  std::uint64_t bytes() const;
  /// The size of the first axis; a scalar is one row of one element.
  std::int64_t rows() const { return shape.rank() == 0 ? 1 : shape[0]; }
  std::int64_t row_elements() const { return shape.rank() == 0 ? 1 : shape.elements_from(1); }
  std::uint64_t row_bytes() const;
};

/// Tensors by name, sorted. Canonical names are diffusers'.
class WeightMap {
 public:
  using Tensors = std::map<std::string, StoredTensor, std::less<>>;

  /// Throws Error(kCorrupt) if the name already exists.
  void add(std::string name, StoredTensor tensor);
  /// nullptr if there is no such tensor; else valid until the map changes.
  const StoredTensor* find(std::string_view name) const;
  /// Moves all of `other` here, with `prefix` before every name: merge("unet.", ...). Throws
  /// Error(kCorrupt) if a name already exists.
  void merge(std::string_view prefix, WeightMap other);

  std::size_t size() const { return tensors_.size(); }
  bool empty() const { return tensors_.empty(); }
  Tensors::const_iterator begin() const { return tensors_.begin(); }
  Tensors::const_iterator end() const { return tensors_.end(); }

 private:
  Tensors tensors_;
};

/// Reads rows [first_row, first_row + rows) of the first axis as f32 into dst, which has exactly
/// rows * row_elements() floats. `raw` is a staging buffer, so that nothing is allocated: at least
/// rows * row_bytes() bytes (may be empty for f32, which is read directly into dst). Throws what
/// File::read throws.
void read_rows(const StoredTensor& tensor, std::int64_t first_row, std::int64_t rows,
               std::span<std::byte> raw, std::span<float> dst);

}  // namespace semblance
