// Packs a weight's bytes, as stored in its file, for a kernel: in slices of rows, on all threads,
// through a small staging buffer.
#pragma once

#include <span>

#include "runtime/backend.h"
#include "runtime/weight_rows.h"

namespace semblance {

/// Staging bytes needed to pack such a weight on all threads of the pool.
std::uint64_t staging_bytes(const Kernel& kernel, int src, const Shape& shape);
/// Further staging bytes needed to read it from its file.
std::uint64_t raw_staging_bytes(const Kernel& kernel, int src, const Shape& shape,
                                DType file_dtype);

/// Where a weight goes: source `src` of a kernel, into `packed`. `staging` has staging_bytes().
struct PackedWeight {
  const Kernel& kernel;
  int src;
  const Shape& shape;
  std::span<std::byte> staging;
  std::span<std::byte> packed;
};

/// Packs `raw`: the bytes of the weight's pieces(). Allocates nothing.
void pack(const PackedWeight& target, const WeightRows& weight, std::span<const std::byte> raw);

/// The same, reading from the file. For files in the page cache, where a thread that reads ahead
/// would only take time from the computation. `raw_staging`: at least raw_staging_bytes(). Throws
/// what reading throws.
void read_and_pack(const PackedWeight& target, const WeightRows& weight,
                   std::span<std::byte> raw_staging);

}  // namespace semblance
