// Packs a weight's bytes, as stored in its file, for a kernel: in slices of rows, on all threads,
// through a small staging buffer. What is added to the weight (runtime/row_patcher.h) is added to
// each slice.
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

/// Further staging bytes needed to add patches.
std::uint64_t patch_staging_bytes(const RowPatcher::Needs& needs);

/// Where a weight goes: source `src` of a kernel, into `packed`. `staging` has staging_bytes(), and
/// patch_staging_bytes() for a weight with patches.
struct PackedWeight {
  const Kernel& kernel;
  int src;
  const Shape& shape;
  std::span<std::byte> staging;
  std::span<std::byte> packed;
};

/// Packs `raw`: the bytes of the weight's pieces(), then those of its patcher's factors. Allocates
/// nothing.
void pack(const PackedWeight& target, const WeightRows& weight, std::span<const std::byte> raw);

/// The same, reading from the file. For files in the page cache, where a thread that reads ahead
/// would only take time from the computation. `raw_staging`: at least raw_staging_bytes(), and the
/// bytes of the patcher's factors. Throws what reading throws.
void read_and_pack(const PackedWeight& target, const WeightRows& weight,
                   std::span<std::byte> raw_staging);

}  // namespace semblance
