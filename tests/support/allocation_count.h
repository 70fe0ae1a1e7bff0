// Counts allocations from the heap (malloc and relatives, operator new) and from the system (mmap).
// Link allocation_count.cpp into a test program; it replaces these calls for all libraries.
//
//   AllocationCount count;  session.run();  EXPECT_EQ(count.read().ours, 0);
//
// Counts all threads. Only one AllocationCount may exist at a time. Sanitizer builds have their own
// hooks (sanitized.h) and count nothing.
#pragma once

#include <cstdint>

namespace semblance::testing {

struct Allocations {
  std::int64_t blocks = 0;              // allocated, freed or not
  std::int64_t bytes = 0;               // of those blocks
  std::int64_t peak_bytes = 0;          // maximum held at once, beyond the start
  std::int64_t kept_bytes = 0;          // still held; negative if older blocks were freed
  std::int64_t ours = 0;                // blocks not allocated inside oneDNN or OpenMP
  const void* first_of_ours = nullptr;  // caller of the first of these, for addr2line
};

class AllocationCount {
 public:
  AllocationCount();
  ~AllocationCount();
  AllocationCount(const AllocationCount&) = delete;
  AllocationCount& operator=(const AllocationCount&) = delete;

  /// The counts since construction.
  Allocations read() const;
};

}  // namespace semblance::testing
