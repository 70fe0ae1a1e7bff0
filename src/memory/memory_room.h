// How much memory this process may hold in total, given the current state of the machine and the
// control group. A run compares its plan with it between steps.
#pragma once

#include <cstdint>
#include <optional>

#include "memory/meter.h"

namespace semblance {

/// Bytes that the process may hold, including what it holds already. Its code and other file pages
/// do not count as held: the system can drop them and counts them as available.
struct MemoryRoom {
  std::uint64_t most_bytes = 0;    // above this the system ends a process
  std::uint64_t tight_bytes = 0;   // a plan above this should shrink if it can
  std::uint64_t target_bytes = 0;  // the size to shrink to, with a margin so that it lasts
};

/// Leaves 2 % of the machine's memory, at most 256 MiB, to other processes. A limit of the control
/// group or the process is used up to 31/32.
MemoryRoom memory_room(const MachineMemory& machine, const ProcessMemory& process);

/// For a process that is to hold `planned_bytes` in total: what it still needs and what is
/// available, if that is not enough; else nothing.
struct MemoryShortage {
  std::uint64_t needed_bytes = 0;
  std::uint64_t available_bytes = 0;
};
std::optional<MemoryShortage> memory_lack(const MachineMemory& machine,
                                          const ProcessMemory& process,
                                          std::uint64_t planned_bytes);

}  // namespace semblance
