// Counts what a test program's own code allocates.
#pragma once

namespace semblance::testing {

/// Calls of operator new so far, on all threads.
int news();

}  // namespace semblance::testing
