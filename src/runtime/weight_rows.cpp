#include "runtime/weight_rows.h"

#include <algorithm>

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

void WeightRows::read(std::int64_t first_row, std::int64_t count, std::span<std::byte> raw,
                      std::span<float> dst) const {
  if (rows.empty()) return read_rows(tensor, first_row, count, raw, dst);
  SEMBLANCE_ASSERT(first_row >= 0 && count >= 0 && first_row <= row_count() - count);
  const auto row = static_cast<std::size_t>(tensor.row_elements());
  SEMBLANCE_ASSERT(dst.size() == static_cast<std::size_t>(count) * row);
  for (const RowRange& range : rows) {
    if (count == 0) return;
    if (first_row < range.count) {
      const std::int64_t here = std::min(count, range.count - first_row);
      const std::size_t elements = static_cast<std::size_t>(here) * row;
      read_rows(tensor, range.first + first_row, here, raw, dst.first(elements));
      dst = dst.subspan(elements);
      count -= here;
      first_row = range.count;
    }
    first_row -= range.count;
  }
}

WeightRows find_weight(const WeightMap& weights, const ValueInfo& value) {
  const StoredTensor* tensor = weights.find(value.name);
  if (tensor == nullptr)
    fail(ErrorKind::kMissing, "weight {} is not in the model's files", value.name);
  if (value.rows.empty()) {
    if (!(tensor->shape == value.type.shape)) {
      fail(ErrorKind::kShape, "weight {} must be {}, in {} it is {}", value.name,
           to_string(value.type.shape), tensor->file->name(), to_string(tensor->shape));
    }
    return {*tensor, {}};
  }
  const bool fits = tensor->shape.rank() == value.type.shape.rank() && tensor->shape.rank() > 0 &&
                    tensor->shape.with(0, 0) == value.type.shape.with(0, 0);
  if (!fits) {
    fail(ErrorKind::kShape, "rows of weight {} must be {}, in {} it is {}", value.name,
         to_string(value.type.shape.with(0, 1)), tensor->file->name(), to_string(tensor->shape));
  }
  for (const RowRange& range : value.rows) {
    if (range.first + range.count <= tensor->rows()) continue;
    fail(ErrorKind::kShape, "weight {} must have the rows {} to {}, in {} it has {}", value.name,
         range.first, range.first + range.count - 1, tensor->file->name(), tensor->rows());
  }
  return {*tensor, value.rows};
}

}  // namespace semblance
