#include "core/library_call.h"

#include "core/error.h"

namespace semblance::library_call_detail {

constinit thread_local int depth = 0;
std::atomic<std::uint64_t> refusals = 0;

void Scope::fail_refused() { throw Error(ErrorKind::kMemory, kMemoryRefused); }

}  // namespace semblance::library_call_detail
