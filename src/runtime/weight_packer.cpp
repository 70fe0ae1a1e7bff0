#include "runtime/weight_packer.h"

#include <algorithm>
#include <exception>
#include <mutex>

#include "core/integers.h"
#include "core/parallel.h"
#include "planner/plan.h"

namespace semblance {
namespace {

/// Size of a slice as f32, roughly: small enough to stay in the processor's cache between
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

std::uint64_t bytes_of_slice(const Kernel& kernel, int src, Rows rows, DType dtype) {
  const auto values = static_cast<std::uint64_t>(rows_of_slice(kernel, src, rows) * rows.elements);
  return round_up(most_bytes(dtype, values), kPlaceAlignment);
}

bool is_aligned(DType dtype, std::span<const std::byte> raw) {
  return reinterpret_cast<std::uintptr_t>(raw.data()) % size_of(dtype) == 0;
}

/// Whether the kernel packs the file's bytes without conversion.
bool can_pack(const PackedWeight& target, const WeightRows& weight) {
  const StoredTensor& stored = weight.tensor;
  if (weight.patcher || is_in_blocks(stored.dtype) || stored.scale != 1.0F) return false;
  return stored.dtype == DType::kF32 || target.kernel.packs_raw(target.src, stored.dtype);
}

/// Adds a weight's patches to slices of its rows; does nothing if it has none. The end of the
/// target's staging is its own.
class Patching {
 public:
  Patching(const PackedWeight& target, const WeightRows& weight, std::span<const std::byte> factors)
      : patcher_(weight.patcher.get()), factors_(factors) {
    if (patcher_ == nullptr) return;
    const std::uint64_t slices = staging_bytes(target.kernel, target.src, target.shape);
    const std::uint64_t scratch = RowPatcher::kScratchBytes * at(threads());
    SEMBLANCE_ASSERT(target.staging.size() >= slices + scratch + patcher_->shared_bytes());
    scratch_ = target.staging.subspan(slices, scratch);
    shared_ = target.staging.subspan(slices + scratch, patcher_->shared_bytes());
    patcher_->expand(factors_, shared_, scratch_);
  }
  void apply(std::int64_t first, std::int64_t count, std::span<float> rows, int worker) const {
    if (patcher_ == nullptr) return;
    patcher_->apply(
        first, count, factors_, shared_,
        scratch_.subspan(at(worker) * RowPatcher::kScratchBytes, RowPatcher::kScratchBytes), rows);
  }

 private:
  const RowPatcher* patcher_;
  std::span<const std::byte> factors_;
  std::span<std::byte> scratch_, shared_;
};

/// Calls work(first, count, worker) for slices of the target's rows, on all threads; what it throws
/// is rethrown.
template <typename Work>
void each_slice(const PackedWeight& target, Work&& work) {
  const Rows rows = rows_of(target.shape);
  const std::int64_t slice = rows_of_slice(target.kernel, target.src, rows);
  std::exception_ptr failure;
  std::mutex failure_mutex;
  parallel_ranges((rows.count + slice - 1) / slice, 1,
                  [&](std::int64_t begin, std::int64_t end, int worker) {
                    try {
                      for (std::int64_t i = begin; i < end; ++i)
                        work(i * slice, std::min(slice, rows.count - i * slice), worker);
                    } catch (...) {
                      const std::scoped_lock lock(failure_mutex);
                      failure = std::current_exception();
                    }
                  });
  if (failure) std::rethrow_exception(failure);
}

/// Packs slice by slice. `values` returns the PackRows of some rows, in `place` or elsewhere; what
/// it throws is rethrown.
template <typename Values>
void pack_slices(const PackedWeight& target, Values&& values) {
  const Rows rows = rows_of(target.shape);
  const std::uint64_t per_thread = bytes_of_slice(target.kernel, target.src, rows, DType::kF32);
  SEMBLANCE_ASSERT(target.staging.size() >= per_thread * at(threads()));
  each_slice(target, [&](std::int64_t first, std::int64_t count, int worker) {
    auto* place = reinterpret_cast<float*>(target.staging.data() + at(worker) * per_thread);
    target.kernel.pack(target.src,
                       values(first, count, std::span(place, at(count * rows.elements)), worker),
                       target.packed);
  });
}

}  // namespace

std::uint64_t staging_bytes(const Kernel& kernel, int src, const Shape& shape) {
  return raw_staging_bytes(kernel, src, shape, DType::kF32);
}

std::uint64_t raw_staging_bytes(const Kernel& kernel, int src, const Shape& shape,
                                DType file_dtype) {
  return bytes_of_slice(kernel, src, rows_of(shape), file_dtype) * at(threads());
}

std::uint64_t patch_staging_bytes(const RowPatcher::Needs& needs) {
  return needs.factor_bytes == 0 ? 0
                                 : needs.shared_bytes + RowPatcher::kScratchBytes * at(threads());
}

void pack(const PackedWeight& target, const WeightRows& weight, std::span<const std::byte> raw) {
  const DType dtype = weight.tensor.dtype;
  const std::uint64_t stored_bytes = weight.bytes();
  SEMBLANCE_ASSERT(raw.size() ==
                   stored_bytes + (weight.patcher ? weight.patcher->factor_bytes() : 0));
  const std::span<const std::byte> stored = raw.first(stored_bytes);
  const bool as_is = can_pack(target, weight);
  const std::uint64_t row_bytes = as_is ? weight.tensor.row_bytes() : 0;
  const Patching patching(target, weight, raw.subspan(stored_bytes));
  pack_slices(
      target,
      [&](std::int64_t first, std::int64_t count, std::span<float> place, int worker) -> PackRows {
        const auto bytes = stored.subspan(at(first) * row_bytes, at(count) * row_bytes);
        if (as_is && is_aligned(dtype, bytes)) return {first, count, dtype, bytes};
        weight.convert(first, count, stored, place);
        patching.apply(first, count, place, worker);
        return PackRows::of(first, count, place);
      });
}

void read_and_pack(const PackedWeight& target, const WeightRows& weight,
                   std::span<std::byte> raw_staging) {
  const DType dtype = weight.tensor.dtype;
  if (can_pack(target, weight) && target.kernel.packs_as_is(target.src, dtype)) {
    const std::uint64_t row_bytes = weight.tensor.row_bytes();
    each_slice(target, [&](std::int64_t first, std::int64_t count, int /*worker*/) {
      weight.read_raw(first, count,
                      target.packed.subspan(at(first) * row_bytes, at(count) * row_bytes));
    });
    return;
  }
  const std::uint64_t per_thread =
      bytes_of_slice(target.kernel, target.src, rows_of(target.shape), dtype);
  const std::uint64_t slices = per_thread * at(threads());
  const std::uint64_t factor_bytes = weight.patcher ? weight.patcher->factor_bytes() : 0;
  SEMBLANCE_ASSERT(raw_staging.size() >= slices + factor_bytes);
  const bool raw = dtype != DType::kF32 && can_pack(target, weight);
  const std::span<std::byte> factors = raw_staging.subspan(slices, factor_bytes);
  if (weight.patcher) weight.patcher->read_factors(factors);
  const Patching patching(target, weight, factors);
  pack_slices(
      target,
      [&](std::int64_t first, std::int64_t count, std::span<float> place, int worker) -> PackRows {
        const auto staging = raw_staging.subspan(at(worker) * per_thread, per_thread);
        if (raw) {
          const auto bytes = staging.first(at(count) * weight.tensor.row_bytes());
          weight.read_raw(first, count, bytes);
          return {first, count, dtype, bytes};
        }
        weight.read(first, count, staging, place);
        patching.apply(first, count, place, worker);
        return PackRows::of(first, count, place);
      });
}

}  // namespace semblance
