#include "core/library_call.h"

#include "core/error.h"

namespace semblance::library_call_detail {

constinit thread_local int depth = 0;
std::atomic<std::uint64_t> refusals = 0;

void Scope::fail_refused() {
  fail(ErrorKind::kMemory,
       "the system has no more memory to give\n  try a smaller --size, or close other programs");
}

}  // namespace semblance::library_call_detail
