// Calls into libraries that cannot bear to be refused memory or a thread: oneDNN 2 writes through
// null pointers, OpenMP's runtime ends the process.
//
// The program keeps a reserve for them (src/reserve.cpp): what the system refuses during such a
// call is served from the reserve, so the library never sees the refusal and leaves nothing half
// made. When the call is over it ends as Error(kMemory), which frees what was taken. Without a
// reserve (the shared library, the sanitizers) the calls are as they are.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace semblance {

/// What a run says that ends for want of memory.
inline constexpr char kMemoryRefused[] =
    "the system has no more memory to give\n  try a smaller --size, or close other programs";

namespace library_call_detail {

/// How many library calls the thread is in.
extern constinit thread_local int depth;
/// Requests that the reserve served, in the whole process. Only the reserve adds to it.
extern std::atomic<std::uint64_t> refusals;

class Scope {
 public:
  Scope() : before_(refusals.load(std::memory_order_relaxed)) { ++depth; }
  ~Scope() { --depth; }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  /// Throws Error(kMemory) where the reserve was needed since the beginning.
  void check() const {
    if (refusals.load(std::memory_order_relaxed) != before_) fail_refused();
  }

 private:
  [[noreturn]] static void fail_refused();
  std::uint64_t before_;
};

}  // namespace library_call_detail

/// The calling thread is in a library's call from now on: OpenMP's own threads, and main() before
/// it returns to what libraries do at exit.
inline void stay_in_library_call() { ++library_call_detail::depth; }

/// Returns f(), which calls such a library. Throws Error(kMemory) after it, where the system
/// refused memory meanwhile, and what f throws. May nest.
template <typename F>
auto library_call(F&& f) {
  const library_call_detail::Scope scope;
  if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
    std::forward<F>(f)();
    scope.check();
  } else {
    auto result = std::forward<F>(f)();
    scope.check();
    return result;
  }
}

}  // namespace semblance
