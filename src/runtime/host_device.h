// The processor that this program runs on, as a device. Kernels get pointers; views are the memory
// itself.
#pragma once

#include "runtime/device.h"

namespace semblance {

/// The arguments of one run. src[i] is packed if source i is a weight (see Kernel::pack), else
/// plain values; pointers are aligned to 64 bytes. dst may equal the source that the op may
/// overwrite.
struct KernelCall {
  std::span<const std::byte* const> src;
  std::byte* dst = nullptr;
  std::byte* scratch = nullptr;  // scratch_bytes() bytes of undefined content
};

/// A kernel of the processor.
class HostKernel : public Kernel {
 public:
  using Kernel::Kernel;
  /// Computes on all threads of the pool. Throws only Error(kMemory), if the system refuses a
  /// library memory.
  virtual void run(const KernelCall& call) const = 0;
};

const Device& host_device();

}  // namespace semblance
