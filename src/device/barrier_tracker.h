// Decides where a barrier is needed between commands that use the same memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/device.h"

namespace semblance {

/// Whether both have a byte in common.
bool overlap(const DevicePlace& a, const DevicePlace& b);

/// Knows what has been read and written since the last barrier. Commands without a barrier between
/// them may run at the same time and in any order.
class BarrierTracker {
 public:
  struct Use {
    DevicePlace place;
    bool is_write = false;
  };

  /// Whether a command with these uses needs a barrier before it: it touches what was written, or
  /// writes what was read, since the last barrier. Records the command, and the barrier.
  bool add(std::span<const Use> uses);
  /// Forgets everything: what was recorded is done, or will never run.
  void clear();

 private:
  std::vector<Use> uses_;
};

}  // namespace semblance
