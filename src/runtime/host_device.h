// The processor that this program runs on, as a device: kernels get pointers, views are the places
// themselves.
#pragma once

#include "runtime/device.h"

namespace semblance {

/// The bytes of one run. src[i] is a packed weight where source i is a weight (see Kernel::pack),
/// else plain values; pointers are aligned to 64 bytes. dst may equal the source that the op may
/// overwrite. Views are not run.
struct KernelCall {
  std::span<const std::byte* const> src;
  std::byte* dst = nullptr;
  std::byte* scratch = nullptr;  // scratch_bytes() of it, undefined content
};

/// A kernel of the processor.
class HostKernel : public Kernel {
 public:
  using Kernel::Kernel;
  /// Computes on all threads of the pool. Cannot fail but for a bug, or a library that is refused
  /// memory (Error(kMemory)).
  virtual void run(const KernelCall& call) const = 0;
};

const Device& host_device();

}  // namespace semblance
