#include "memory/memory_room.h"

#include <algorithm>

namespace semblance {
namespace {

constexpr std::uint64_t kMostReserve = std::uint64_t{256} << 20U;

std::uint64_t less(std::uint64_t bytes, std::uint64_t reserve) {
  return bytes - std::min(bytes, reserve);
}

}  // namespace

MemoryRoom memory_room(const MachineMemory& machine, const ProcessMemory& process) {
  const std::uint64_t held = process.anonymous_bytes + process.shared_bytes;
  const std::uint64_t reserve = std::min(machine.total_bytes / 50, kMostReserve);
  const std::uint64_t most = held + machine.available_bytes;
  MemoryRoom room{
      .most_bytes = most,
      .tight_bytes = less(most, reserve / 2),
      .target_bytes = less(most, reserve),
  };
  if (machine.group) {
    const std::uint64_t in_group = held + machine.group->room_bytes;
    room.most_bytes = std::min(room.most_bytes, in_group);
    room.tight_bytes = std::min(room.tight_bytes, in_group);
    room.target_bytes = std::min(room.target_bytes, in_group - in_group / 32);
  }
  return room;
}

}  // namespace semblance
