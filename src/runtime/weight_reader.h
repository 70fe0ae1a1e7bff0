// Reads a weight from its file into a kernel's packed place: by rows, on all threads, through small
// staging.
#pragma once

#include <span>

#include "memory/buffer.h"
#include "runtime/backend.h"
#include "runtime/weight_rows.h"

namespace semblance {

class WeightReader {
 public:
  /// Books staging for every weight that will be read: call for each, then allocate().
  void reserve(const Kernel& kernel, int src, const WeightRows& weight);

  /// Takes the staging for all threads of the pool, whose number must not grow after that.
  void allocate();

  /// Reads and packs the whole weight. Throws what reading throws; allocates nothing.
  void read(const Kernel& kernel, int src, const WeightRows& weight, std::span<std::byte> packed);

 private:
  std::uint64_t raw_bytes_ = 0;    // of one thread's slice, as in the file
  std::uint64_t plain_bytes_ = 0;  // of one thread's slice, as f32
  Buffer staging_;
};

}  // namespace semblance
