// Counts what a piece of code takes from the heap (malloc and its kin, operator new) and from the
// system (mmap): link allocation_count.cpp into a test program, which then has every library's
// calls go through it.
//
//   AllocationCount count;  session.run();  EXPECT_EQ(count.read().ours, 0);
//
// All threads are counted. One counts at a time. Sanitizers have hooks of their own: beside them
// (sanitized.h) nothing is counted.
#pragma once

#include <cstdint>

namespace semblance::testing {

struct Allocations {
  std::int64_t blocks = 0;      // taken, be they given back or not
  std::int64_t bytes = 0;       // of those
  std::int64_t peak_bytes = 0;  // the most that was held at once beyond what was held before
  std::int64_t kept_bytes = 0;  // held still; negative where older blocks were freed
  std::int64_t ours = 0;        // of blocks: not asked for inside oneDNN or OpenMP
  const void* first_of_ours = nullptr;  // who asked for the first of them: for addr2line
};

class AllocationCount {
 public:
  AllocationCount();
  ~AllocationCount();
  AllocationCount(const AllocationCount&) = delete;
  AllocationCount& operator=(const AllocationCount&) = delete;

  /// Since this was made.
  Allocations read() const;
};

}  // namespace semblance::testing
