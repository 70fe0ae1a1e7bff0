// Counts a test program's own allocations.
#pragma once

namespace semblance::testing {

/// Calls to operator new so far, on all threads.
int allocation_count();

}  // namespace semblance::testing
