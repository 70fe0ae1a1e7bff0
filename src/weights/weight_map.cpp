#include "weights/weight_map.h"

#include <utility>

#include "core/convert.h"
#include "core/dequantize.h"
#include "core/error.h"

namespace semblance {

Extent StoredTensor::extent(std::int64_t first_row, std::int64_t count) const {
  const StoredBlock block = block_of(dtype);
  const std::int64_t begin = first + first_row * row_elements();
  const std::int64_t end = begin + count * row_elements();
  const std::int64_t begin_block = begin / block.elements;
  const std::int64_t end_block = (end + block.elements - 1) / block.elements;
  const std::int64_t blocks = end > begin ? end_block - begin_block : 0;
  return {offset + static_cast<std::uint64_t>(begin_block) * block.bytes,
          static_cast<std::uint64_t>(blocks) * block.bytes, begin % block.elements};
}

std::uint64_t StoredTensor::rows_bytes(std::int64_t count) const {
  const std::int64_t elements = block_of(dtype).elements;
  const std::int64_t values = count * row_elements();
  const bool aligned = first == 0 && row_elements() % elements == 0;
  if (aligned) return static_cast<std::uint64_t>(values / elements) * block_of(dtype).bytes;
  return most_bytes(dtype, static_cast<std::uint64_t>(values));
}

StoredTensor StoredTensor::take(std::int64_t first_row, std::int64_t count) const {
  const Extent place = extent(first_row, count);
  StoredTensor taken = *this;
  taken.shape = shape.with(0, count);
  taken.offset = place.offset;
  taken.first = place.first;
  return taken;
}

std::uint64_t most_bytes(DType dtype, std::uint64_t elements) {
  const StoredBlock block = block_of(dtype);
  const auto size = static_cast<std::uint64_t>(block.elements);
  if (size == 1 || elements == 0) return elements * block.bytes;
  return ((elements - 1 + size - 1) / size + 1) * block.bytes;
}

void widen(const StoredTensor& tensor, const Extent& extent, std::span<const std::byte> raw,
           std::span<float> dst) {
  to_f32(tensor.dtype, raw, dst, extent.first);
  if (tensor.scale != 1.0F) multiply(dst, tensor.scale);
}

void WeightMap::add(std::string name, const StoredTensor& tensor) {
  const auto [place, added] = tensors_.try_emplace(std::move(name), tensor);
  if (!added) {
    fail(ErrorKind::kCorrupt, "cannot read {}: tensor {} occurs twice (also in {})",
         tensor.file->name(), place->first, place->second.file->name());
  }
}

const StoredTensor* WeightMap::find(std::string_view name) const {
  const auto place = tensors_.find(name);
  return place == tensors_.end() ? nullptr : &place->second;
}

bool WeightMap::has_under(std::string_view prefix) const {
  const auto place = tensors_.lower_bound(prefix);
  return place != tensors_.end() && place->first.starts_with(prefix);
}

WeightMap WeightMap::under(std::string_view prefix) const {
  WeightMap result;
  for (auto place = tensors_.lower_bound(prefix);
       place != tensors_.end() && place->first.starts_with(prefix); ++place) {
    result.add(place->first.substr(prefix.size()), place->second);
  }
  return result;
}

void WeightMap::merge(std::string_view prefix, const WeightMap& other) {
  for (const auto& [name, tensor] : other.tensors_) {
    add(std::string(prefix) + name, tensor);
  }
}

void read_rows(const StoredTensor& tensor, std::int64_t first_row, std::int64_t rows,
               std::span<std::byte> raw, std::span<float> dst) {
  SEMBLANCE_ASSERT(first_row >= 0 && rows >= 0 && first_row <= tensor.rows() &&
                   rows <= tensor.rows() - first_row);
  SEMBLANCE_ASSERT(dst.size() == static_cast<std::size_t>(rows * tensor.row_elements()));
  if (dst.empty()) return;
  const Extent extent = tensor.extent(first_row, rows);
  if (tensor.dtype == DType::kF32) {
    const std::span<std::byte> bytes = std::as_writable_bytes(dst);
    tensor.file->read(extent.offset, bytes);
    if (tensor.scale != 1.0F) multiply(dst, tensor.scale);
    return;
  }
  SEMBLANCE_ASSERT(raw.size() >= extent.bytes);
  tensor.file->read(extent.offset, raw.first(extent.bytes));
  widen(tensor, extent, raw.first(extent.bytes), dst);
}

}  // namespace semblance
