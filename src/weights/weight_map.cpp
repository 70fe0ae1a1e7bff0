#include "weights/weight_map.h"

#include <array>
#include <utility>

#include "core/convert.h"
#include "core/error.h"

namespace semblance {

std::uint64_t StoredTensor::bytes() const {
  return static_cast<std::uint64_t>(shape.elements()) * size_of(dtype);
}

std::uint64_t StoredTensor::row_bytes() const {
  return static_cast<std::uint64_t>(row_elements()) * size_of(dtype);
}

void WeightMap::add(std::string name, StoredTensor tensor) {
  const auto [place, added] = tensors_.try_emplace(std::move(name), std::move(tensor));
  if (!added) {
    fail(ErrorKind::kCorrupt, "cannot read {}: tensor {} occurs twice (also in {})",
         tensor.file->name(), place->first, place->second.file->name());
  }
}

const StoredTensor* WeightMap::find(std::string_view name) const {
  const auto place = tensors_.find(name);
  return place == tensors_.end() ? nullptr : &place->second;
}

void WeightMap::merge(std::string_view prefix, WeightMap other) {
  for (auto& [name, tensor] : other.tensors_) {
    add(std::string(prefix) + name, std::move(tensor));
  }
}

void read_rows(const StoredTensor& tensor, std::int64_t first_row, std::int64_t rows,
               std::span<std::byte> raw, std::span<float> dst) {
  SEMBLANCE_ASSERT(first_row >= 0 && rows >= 0 && first_row <= tensor.rows() &&
                   rows <= tensor.rows() - first_row);
  SEMBLANCE_ASSERT(dst.size() == static_cast<std::size_t>(rows * tensor.row_elements()));
  if (dst.empty()) return;
  const std::uint64_t offset =
      tensor.offset + static_cast<std::uint64_t>(first_row) * tensor.row_bytes();
  if (tensor.dtype == DType::kF32) {
    tensor.file->read(offset, std::as_writable_bytes(dst));
    return;
  }
  const std::size_t bytes = dst.size() * size_of(tensor.dtype);
  SEMBLANCE_ASSERT(raw.size() >= bytes);
  tensor.file->read(offset, raw.first(bytes));
  to_f32(tensor.dtype, raw.first(bytes), dst);
}

}  // namespace semblance
