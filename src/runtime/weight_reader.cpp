#include "runtime/weight_reader.h"

#include <algorithm>
#include <exception>
#include <mutex>

#include "core/parallel.h"
#include "planner/plan.h"

namespace semblance {
namespace {

/// A slice is about this large as f32: small enough to stay in the processor's cache between
/// conversion and packing.
constexpr std::int64_t kSliceBytes = 512 * 1024;

std::int64_t rows_of_slice(const Kernel& kernel, int src, const WeightRows& weight) {
  const std::int64_t step = std::max<std::int64_t>(1, kernel.pack_rows(src));
  const std::int64_t row_bytes = std::max<std::int64_t>(
      1, weight.tensor.row_elements() * static_cast<std::int64_t>(sizeof(float)));
  const std::int64_t steps = std::max<std::int64_t>(1, kSliceBytes / (row_bytes * step));
  return std::min(steps * step, (weight.row_count() + step - 1) / step * step);
}

std::uint64_t aligned(std::uint64_t bytes) {
  return (bytes + kPlaceAlignment - 1) / kPlaceAlignment * kPlaceAlignment;
}

}  // namespace

void WeightReader::reserve(const Kernel& kernel, int src, const WeightRows& weight) {
  const auto rows = static_cast<std::uint64_t>(rows_of_slice(kernel, src, weight));
  raw_bytes_ = std::max(raw_bytes_, aligned(rows * weight.tensor.row_bytes()));
  plain_bytes_ = std::max(
      plain_bytes_,
      aligned(rows * static_cast<std::uint64_t>(weight.tensor.row_elements()) * sizeof(float)));
}

void WeightReader::allocate() {
  staging_ =
      Buffer((raw_bytes_ + plain_bytes_) * static_cast<std::uint64_t>(threads()), Tag::kStaging);
}

void WeightReader::read(const Kernel& kernel, int src, const WeightRows& weight,
                        std::span<std::byte> packed) {
  const std::uint64_t per_thread = raw_bytes_ + plain_bytes_;
  SEMBLANCE_ASSERT(staging_.size() >= per_thread * static_cast<std::uint64_t>(threads()));

  const std::int64_t slice = rows_of_slice(kernel, src, weight);
  const std::int64_t slices = (weight.row_count() + slice - 1) / slice;
  std::exception_ptr failure;
  std::mutex failure_mutex;
  parallel_ranges(slices, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
    const auto staging =
        staging_.bytes().subspan(static_cast<std::size_t>(worker) * per_thread, per_thread);
    try {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = i * slice;
        const std::int64_t rows = std::min(slice, weight.row_count() - first);
        const std::span<float> plain{reinterpret_cast<float*>(staging.data() + raw_bytes_),
                                     static_cast<std::size_t>(rows * weight.tensor.row_elements())};
        weight.read(first, rows, staging.first(raw_bytes_), plain);
        kernel.pack(src, first, rows, plain, packed);
      }
    } catch (...) {
      const std::scoped_lock lock(failure_mutex);
      failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

}  // namespace semblance
