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
  const auto limit_to = [&room, held](std::uint64_t room_bytes) {
    const std::uint64_t bytes = held + room_bytes;
    room.most_bytes = std::min(room.most_bytes, bytes);
    room.tight_bytes = std::min(room.tight_bytes, bytes);
    room.target_bytes = std::min(room.target_bytes, bytes - bytes / 32);
  };
  if (machine.group) limit_to(machine.group->room_bytes);
  if (machine.limit) limit_to(machine.limit->room_bytes());
  return room;
}

std::optional<MemoryShortage> memory_lack(const MachineMemory& machine,
                                          const ProcessMemory& process,
                                          std::uint64_t planned_bytes) {
  const MemoryShortage lack{
      .needed_bytes = less(planned_bytes, process.anonymous_bytes + process.shared_bytes),
      .available_bytes = machine.for_run_bytes()};
  if (lack.needed_bytes <= lack.available_bytes) return std::nullopt;
  return lack;
}

}  // namespace semblance
