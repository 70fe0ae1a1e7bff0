// How much this process may hold in all, as the machine and its control group are now: what a run
// compares its plan with between two steps.
#pragma once

#include <cstdint>
#include <optional>

#include "memory/meter.h"

namespace semblance {

/// Bytes that the process may hold, what it holds already included. Its code and other pages of
/// files are left out of what it holds: the system counts them as available, since it can drop
/// them.
struct MemoryRoom {
  std::uint64_t most_bytes = 0;    // beyond this the system ends a process
  std::uint64_t tight_bytes = 0;   // a plan beyond this should become smaller, if it can
  std::uint64_t target_bytes = 0;  // what it should become: with some air, so that it can stay so
};

/// What of the machine's memory is left to others: 2 % of it, 256 MiB at most. A limit of the
/// control group or the process is meant for the process and used up to 31/32.
MemoryRoom memory_room(const MachineMemory& machine, const ProcessMemory& process);

/// Bytes that are not there for a process that is to hold `planned_bytes` in all: what it needs
/// more and what is available for that. Nothing where there is enough.
struct MemoryLack {
  std::uint64_t needed_bytes = 0;
  std::uint64_t available_bytes = 0;
};
std::optional<MemoryLack> memory_lack(const MachineMemory& machine, const ProcessMemory& process,
                                      std::uint64_t planned_bytes);

}  // namespace semblance
