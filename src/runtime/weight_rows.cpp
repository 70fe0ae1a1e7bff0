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

std::uint64_t WeightRows::bytes() const { return stored_bytes(tensor, rows); }

std::uint64_t stored_bytes(const StoredTensor& tensor, std::span<const RowRange> rows) {
  if (rows.empty()) return tensor.bytes();
  std::uint64_t sum = 0;
  for (const RowRange& range : rows) sum += tensor.extent(range.first, range.count).bytes;
  return sum;
}

std::vector<FilePiece> WeightRows::pieces() const {
  std::vector<FilePiece> pieces;
  each_range(0, row_count(), [&](const Extent& place, std::uint64_t, std::int64_t) {
    if (!pieces.empty() && pieces.back().offset + pieces.back().bytes == place.offset) {
      pieces.back().bytes += place.bytes;
    } else {
      pieces.push_back({place.offset, place.bytes});
    }
  });
  return pieces;
}

/// Calls use(extent, place, row count) for each range's part of the rows; `place` is where the
/// extent begins in the bytes of pieces().
template <typename Use>
void WeightRows::each_range(std::int64_t first_row, std::int64_t count, Use&& use) const {
  SEMBLANCE_ASSERT(first_row >= 0 && count >= 0 && first_row <= row_count() - count);
  const RowRange all{0, tensor.rows()};
  std::uint64_t before = 0;
  for (const RowRange& range : rows.empty() ? std::span(&all, 1) : std::span(rows)) {
    const Extent whole = tensor.extent(range.first, range.count);
    if (first_row < range.count) {
      const std::int64_t here = std::min(count, range.count - first_row);
      const Extent place = tensor.extent(range.first + first_row, here);
      use(place, before + place.offset - whole.offset, here);
      count -= here;
      if (count == 0) return;
      first_row = range.count;
    }
    first_row -= range.count;
    before += whole.bytes;
  }
}

void WeightRows::read_raw(std::int64_t first_row, std::int64_t count,
                          std::span<std::byte> dst) const {
  SEMBLANCE_ASSERT(dst.size() == static_cast<std::size_t>(count) * tensor.row_bytes());
  each_range(first_row, count, [&](const Extent& place, std::uint64_t, std::int64_t) {
    if (place.bytes > 0) tensor.file->read(place.offset, dst.first(place.bytes));
    dst = dst.subspan(place.bytes);
  });
}

void WeightRows::read(std::int64_t first_row, std::int64_t count, std::span<std::byte> raw,
                      std::span<float> dst) const {
  SEMBLANCE_ASSERT(dst.size() == static_cast<std::size_t>(count * tensor.row_elements()));
  const bool direct = tensor.dtype == DType::kF32 && tensor.scale == 1.0F;
  if (direct) return read_raw(first_row, count, std::as_writable_bytes(dst));
  each_range(first_row, count, [&](const Extent& place, std::uint64_t, std::int64_t here) {
    SEMBLANCE_ASSERT(raw.size() >= place.bytes);
    const auto bytes = raw.first(place.bytes);
    const auto values = static_cast<std::size_t>(here * tensor.row_elements());
    if (place.bytes > 0) tensor.file->read(place.offset, bytes);
    widen(tensor, place, bytes, dst.first(values));
    dst = dst.subspan(values);
  });
}

void WeightRows::convert(std::int64_t first_row, std::int64_t count, std::span<const std::byte> all,
                         std::span<float> dst) const {
  SEMBLANCE_ASSERT(dst.size() == static_cast<std::size_t>(count * tensor.row_elements()));
  each_range(first_row, count, [&](const Extent& place, std::uint64_t at, std::int64_t here) {
    const auto values = static_cast<std::size_t>(here * tensor.row_elements());
    widen(tensor, place, all.subspan(at, place.bytes), dst.first(values));
    dst = dst.subspan(values);
  });
}

namespace {

/// With what is added to it.
WeightRows patched(const WeightView& weights, const ValueInfo& value, const StoredTensor& tensor) {
  WeightRows found{tensor, value.rows};
  const std::span<const WeightPatch> patches = weights.patches_of(value.name);
  if (!patches.empty())
    found.patcher =
        std::make_shared<const RowPatcher>(patches, tensor.shape, value.rows, value.type.dtype);
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
