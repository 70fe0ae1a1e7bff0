// Turns a weight's bytes, as they are in its file, into what a kernel wants: in slices of rows, on
// all threads, through small staging.
#pragma once

#include <span>

#include "runtime/backend.h"
#include "runtime/weight_rows.h"

namespace semblance {

/// Bytes of staging, for all threads of the pool, that packing such a weight takes.
std::uint64_t staging_bytes(const Kernel& kernel, int src, const Shape& shape);
/// And that reading it takes beside that, as its file has it.
std::uint64_t raw_staging_bytes(const Kernel& kernel, int src, const Shape& shape,
                                DType file_dtype);

/// Where a weight goes: source `src` of a kernel, of that shape, through staging_bytes() into
/// `packed`.
struct PackedWeight {
  const Kernel& kernel;
  int src;
  const Shape& shape;
  std::span<std::byte> staging;
  std::span<std::byte> packed;
};

/// `raw`: the bytes of the weight's pieces(). Allocates nothing.
void pack(const PackedWeight& target, const WeightRows& weight, std::span<const std::byte> raw);

/// The same from the file: where the system's page cache holds it, a thread that reads ahead would
/// only take its time from the computation. `raw_staging`: at least raw_staging_bytes(). Throws
/// what reading throws.
void read_and_pack(const PackedWeight& target, const WeightRows& weight,
                   std::span<std::byte> raw_staging);

}  // namespace semblance
