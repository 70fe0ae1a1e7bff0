#include "memory/memory_room.h"

#include <gtest/gtest.h>

#include "memory/mib_test.h"

namespace semblance {
namespace {

TEST(MemoryRoom, KeepsAReserveForTheMachine) {
  const MachineMemory machine{.total_bytes = 1000 * kMib, .available_bytes = 300 * kMib};
  const ProcessMemory process{.resident_bytes = 150 * kMib,
                              .anonymous_bytes = 90 * kMib,
                              .file_bytes = 50 * kMib,
                              .shared_bytes = 10 * kMib};
  const MemoryRoom room = memory_room(machine, process);
  EXPECT_EQ(room.most_bytes, 400 * kMib);
  EXPECT_EQ(room.tight_bytes, 390 * kMib);
  EXPECT_EQ(room.target_bytes, 380 * kMib);
}

TEST(MemoryRoom, KeepsAQuarterOfAGibOnALargeMachine) {
  EXPECT_EQ(
      memory_room({.total_bytes = 1000000 * kMib, .available_bytes = 500 * kMib}, {}).target_bytes,
      244 * kMib);
  EXPECT_EQ(
      memory_room({.total_bytes = 1000000 * kMib, .available_bytes = 100 * kMib}, {}).target_bytes,
      0U);
}

TEST(MemoryRoom, IsTheGroupsRoomIfThatIsLess) {
  MachineMemory machine{.total_bytes = 1000 * kMib, .available_bytes = 900 * kMib};
  machine.group = GroupMemory{.limit_bytes = 272 * kMib, .room_bytes = 60 * kMib};
  const ProcessMemory process{.anonymous_bytes = 200 * kMib};
  const MemoryRoom room = memory_room(machine, process);
  EXPECT_EQ(room.most_bytes, 260 * kMib);
  EXPECT_EQ(room.tight_bytes, 260 * kMib);
  EXPECT_EQ(room.target_bytes, 260 * kMib - 260 * kMib / 32);
}

TEST(MemoryRoom, IsWhatTheProcessMayMapIfThatIsLess) {
  MachineMemory machine{.total_bytes = 1000 * kMib, .available_bytes = 900 * kMib};
  machine.limit = ProcessLimit{.limit_bytes = 500 * kMib, .mapped_bytes = 440 * kMib};
  const ProcessMemory process{.anonymous_bytes = 200 * kMib};
  EXPECT_EQ(memory_room(machine, process).most_bytes, 260 * kMib);
  EXPECT_EQ(memory_room(machine, process).target_bytes, 260 * kMib - 260 * kMib / 32);
}

TEST(MemoryShortage, ExistsIfLessIsAvailableThanIsStillNeeded) {
  MachineMemory machine{.total_bytes = 1000 * kMib, .available_bytes = 100 * kMib};
  const ProcessMemory process{.anonymous_bytes = 150 * kMib, .shared_bytes = 50 * kMib};
  EXPECT_FALSE(memory_lack(machine, process, 300 * kMib));
  EXPECT_FALSE(memory_lack(machine, process, 100 * kMib));
  machine.group = GroupMemory{.room_bytes = 60 * kMib};
  const auto lack = memory_lack(machine, process, 300 * kMib);
  ASSERT_TRUE(lack);
  EXPECT_EQ(lack->needed_bytes, 100 * kMib);
  EXPECT_EQ(lack->available_bytes, 60 * kMib);
}

}  // namespace
}  // namespace semblance
