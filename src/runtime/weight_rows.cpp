#include "runtime/weight_rows.h"

#include <algorithm>

#include "core/convert.h"
#include "core/error.h"

namespace semblance {

std::int64_t WeightRows::row_count() const {
  if (rows.empty()) return tensor.rows();
  std::int64_t sum = 0;
  for (const RowRange& range : rows) sum += range.count;
  return sum;
}

std::uint64_t WeightRows::bytes() const {
  return static_cast<std::uint64_t>(row_count()) * tensor.row_bytes();
}

std::vector<FilePiece> WeightRows::pieces() const {
  if (rows.empty()) return {{tensor.offset, tensor.bytes()}};
  std::vector<FilePiece> pieces;
  for (const RowRange& range : rows) {
    const FilePiece piece{
        tensor.offset + static_cast<std::uint64_t>(range.first) * tensor.row_bytes(),
        static_cast<std::uint64_t>(range.count) * tensor.row_bytes()};
    if (!pieces.empty() && pieces.back().offset + pieces.back().bytes == piece.offset) {
      pieces.back().bytes += piece.bytes;
    } else {
      pieces.push_back(piece);
    }
  }
  return pieces;
}

void WeightRows::read_raw(std::int64_t first_row, std::int64_t count,
                          std::span<std::byte> dst) const {
  SEMBLANCE_ASSERT(first_row >= 0 && count >= 0 && first_row <= row_count() - count);
  SEMBLANCE_ASSERT(dst.size() == static_cast<std::size_t>(count) * tensor.row_bytes());
  const RowRange all{0, tensor.rows()};
  for (const RowRange& range : rows.empty() ? std::span(&all, 1) : std::span(rows)) {
    if (count == 0) return;
    if (first_row < range.count) {
      const std::int64_t here = std::min(count, range.count - first_row);
      const std::size_t bytes = static_cast<std::size_t>(here) * tensor.row_bytes();
      const auto row = static_cast<std::uint64_t>(range.first + first_row);
      if (bytes > 0) tensor.file->read(tensor.offset + row * tensor.row_bytes(), dst.first(bytes));
      dst = dst.subspan(bytes);
      count -= here;
      first_row = range.count;
    }
    first_row -= range.count;
  }
}

void WeightRows::read(std::int64_t first_row, std::int64_t count, std::span<std::byte> raw,
                      std::span<float> dst) const {
  SEMBLANCE_ASSERT(dst.size() == static_cast<std::size_t>(count * tensor.row_elements()));
  if (tensor.dtype == DType::kF32) return read_raw(first_row, count, std::as_writable_bytes(dst));
  const std::size_t bytes = dst.size() * size_of(tensor.dtype);
  SEMBLANCE_ASSERT(raw.size() >= bytes);
  read_raw(first_row, count, raw.first(bytes));
  to_f32(tensor.dtype, raw.first(bytes), dst);
}

namespace {

/// With what is added to it.
WeightRows patched(const WeightView& weights, const ValueInfo& value, const StoredTensor& tensor) {
  WeightRows found{tensor, value.rows};
  const std::span<const WeightPatch> patches = weights.patches_of(value.name);
  if (!patches.empty())
    found.patcher = std::make_shared<const RowPatcher>(patches, tensor.shape, value.rows);
  return found;
}

}  // namespace

WeightRows find_weight(const WeightView& weights, const ValueInfo& value) {
  const StoredTensor* tensor = weights.find(value.name);
  if (tensor == nullptr)
    fail(ErrorKind::kMissing, "weight {} is not in the model's files", value.name);
  if (value.rows.empty()) {
    if (!(tensor->shape == value.type.shape)) {
      fail(ErrorKind::kShape, "weight {} must be {}, got {} in {}", value.name,
           to_string(value.type.shape), to_string(tensor->shape), tensor->file->name());
    }
    return patched(weights, value, *tensor);
  }
  const bool fits = tensor->shape.rank() == value.type.shape.rank() && tensor->shape.rank() > 0 &&
                    tensor->shape.with(0, 0) == value.type.shape.with(0, 0);
  if (!fits) {
    fail(ErrorKind::kShape, "rows of weight {} must be {}, got a tensor {} in {}", value.name,
         to_string(value.type.shape.with(0, 1)), to_string(tensor->shape), tensor->file->name());
  }
  for (const RowRange& range : value.rows) {
    if (range.first + range.count <= tensor->rows()) continue;
    fail(ErrorKind::kShape, "weight {} needs rows {} to {}, but has {} rows in {}", value.name,
         range.first, range.first + range.count - 1, tensor->rows(), tensor->file->name());
  }
  return patched(weights, value, *tensor);
}

}  // namespace semblance
