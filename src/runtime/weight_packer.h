// Turns a weight's bytes, as they are in its file, into what a kernel wants: in slices of rows, on
// all threads, through small staging.
#pragma once

#include <span>

#include "runtime/backend.h"
#include "runtime/weight_rows.h"

namespace semblance {

/// Bytes of staging that packing such a weight takes, for all threads of the pool.
std::uint64_t staging_bytes(const Kernel& kernel, int src, const Shape& shape, DType file_dtype);

/// `raw`: all rows of the weight of `shape` in `file_dtype`, row-major. Allocates nothing.
void pack_weight(const Kernel& kernel, int src, const Shape& shape, DType file_dtype,
                 std::span<const std::byte> raw, std::span<std::byte> staging,
                 std::span<std::byte> packed);

/// The same from the file, on all threads: for files that the system's page cache holds, where a
/// thread that reads ahead would only take its time from the computation. `raw_staging` holds what
/// is read: at least raw_staging_bytes(). Throws what reading throws.
void read_and_pack_weight(const Kernel& kernel, int src, const Shape& shape,
                          const WeightRows& weight, std::span<std::byte> raw_staging,
                          std::span<std::byte> staging, std::span<std::byte> packed);
std::uint64_t raw_staging_bytes(const Kernel& kernel, int src, const Shape& shape,
                                DType file_dtype);

}  // namespace semblance
