#include "runtime/weight_packer.h"

#include <algorithm>
#include <exception>
#include <mutex>

#include "core/convert.h"
#include "core/parallel.h"
#include "planner/plan.h"

namespace semblance {
namespace {

/// A slice is about this large as f32: small enough to stay in the processor's cache between
/// conversion and packing.
constexpr std::int64_t kSliceBytes = 256 * 1024;

struct Rows {
  std::int64_t count;
  std::int64_t elements;  // of each
};

Rows rows_of(const Shape& shape) {
  return shape.rank() == 0 ? Rows{1, 1} : Rows{shape[0], shape.elements_from(1)};
}

std::int64_t rows_of_slice(const Kernel& kernel, int src, Rows rows) {
  const std::int64_t step = std::max<std::int64_t>(1, kernel.pack_rows(src));
  const std::int64_t row_bytes =
      std::max<std::int64_t>(1, rows.elements * static_cast<std::int64_t>(sizeof(float)));
  const std::int64_t steps = std::max<std::int64_t>(1, kSliceBytes / (row_bytes * step));
  return std::min(steps * step, (rows.count + step - 1) / step * step);
}

std::uint64_t staging_of_thread(const Kernel& kernel, int src, Rows rows) {
  const auto values = static_cast<std::uint64_t>(rows_of_slice(kernel, src, rows) * rows.elements);
  return (values * sizeof(float) + kPlaceAlignment - 1) / kPlaceAlignment * kPlaceAlignment;
}

bool is_aligned_f32(DType dtype, std::span<const std::byte> raw) {
  return dtype == DType::kF32 && reinterpret_cast<std::uintptr_t>(raw.data()) % sizeof(float) == 0;
}

}  // namespace

std::uint64_t staging_bytes(const Kernel& kernel, int src, const Shape& shape, DType) {
  return staging_of_thread(kernel, src, rows_of(shape)) * static_cast<std::uint64_t>(threads());
}

std::uint64_t raw_staging_bytes(const Kernel& kernel, int src, const Shape& shape,
                                DType file_dtype) {
  const Rows rows = rows_of(shape);
  const auto values = static_cast<std::uint64_t>(rows_of_slice(kernel, src, rows) * rows.elements);
  const std::uint64_t bytes = values * size_of(file_dtype);
  return (bytes + kPlaceAlignment - 1) / kPlaceAlignment * kPlaceAlignment *
         static_cast<std::uint64_t>(threads());
}

void read_and_pack_weight(const Kernel& kernel, int src, const Shape& shape,
                          const WeightRows& weight, std::span<std::byte> raw_staging,
                          std::span<std::byte> staging, std::span<std::byte> packed) {
  const Rows rows = rows_of(shape);
  const std::uint64_t per_thread = staging_of_thread(kernel, src, rows);
  const std::uint64_t raw_per_thread = raw_staging_bytes(kernel, src, shape, weight.tensor.dtype) /
                                       static_cast<std::uint64_t>(threads());
  SEMBLANCE_ASSERT(raw_staging.size() >= raw_per_thread * static_cast<std::uint64_t>(threads()));
  SEMBLANCE_ASSERT(staging.size() >= per_thread * static_cast<std::uint64_t>(threads()));
  const std::int64_t slice = rows_of_slice(kernel, src, rows);
  std::exception_ptr failure;
  std::mutex failure_mutex;
  parallel_ranges(
      (rows.count + slice - 1) / slice, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
        const auto index = static_cast<std::uint64_t>(worker);
        auto* place = reinterpret_cast<float*>(staging.data() + index * per_thread);
        try {
          for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t first = i * slice;
            const std::int64_t count = std::min(slice, rows.count - first);
            const std::span<float> values{place, static_cast<std::size_t>(count * rows.elements)};
            weight.read(first, count, raw_staging.subspan(index * raw_per_thread, raw_per_thread),
                        values);
            kernel.pack(src, first, count, values, packed);
          }
        } catch (...) {
          const std::scoped_lock lock(failure_mutex);
          failure = std::current_exception();
        }
      });
  if (failure) std::rethrow_exception(failure);
}

void pack_weight(const Kernel& kernel, int src, const Shape& shape, DType file_dtype,
                 std::span<const std::byte> raw, std::span<std::byte> staging,
                 std::span<std::byte> packed) {
  const Rows rows = rows_of(shape);
  const std::uint64_t row_bytes = static_cast<std::uint64_t>(rows.elements) * size_of(file_dtype);
  SEMBLANCE_ASSERT(raw.size() == static_cast<std::uint64_t>(rows.count) * row_bytes);
  const std::uint64_t per_thread = staging_of_thread(kernel, src, rows);
  SEMBLANCE_ASSERT(staging.size() >= per_thread * static_cast<std::uint64_t>(threads()));
  const std::int64_t slice = rows_of_slice(kernel, src, rows);
  parallel_ranges(
      (rows.count + slice - 1) / slice, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
        float* place = reinterpret_cast<float*>(staging.data() +
                                                static_cast<std::uint64_t>(worker) * per_thread);
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t first = i * slice;
          const std::int64_t count = std::min(slice, rows.count - first);
          const auto values = static_cast<std::size_t>(count * rows.elements);
          const auto bytes = raw.subspan(static_cast<std::uint64_t>(first) * row_bytes,
                                         static_cast<std::uint64_t>(count) * row_bytes);
          if (is_aligned_f32(file_dtype, bytes)) {
            kernel.pack(src, first, count, {reinterpret_cast<const float*>(bytes.data()), values},
                        packed);
          } else {
            to_f32(file_dtype, bytes, {place, values});
            kernel.pack(src, first, count, {place, values}, packed);
          }
        }
      });
}

}  // namespace semblance
