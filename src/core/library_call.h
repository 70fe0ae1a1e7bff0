// Calls into libraries that do not survive a failed allocation or thread start: oneDNN 2 writes
// through null pointers, OpenMP's runtime ends the process.
//
// The program keeps a reserve for them (src/reserve.cpp). During such a call, requests that the
// system refuses are served from the reserve, so the library never sees a failure and leaves
// nothing half done. The call then throws Error(kMemory), which frees what was taken. Without a
// reserve (the shared library, the sanitizers) these are plain calls.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace semblance {

/// The message of a run that ends because the system refused memory.
inline constexpr char kMemoryRefused[] =
    "the system is out of memory\n  try a smaller --size, or close other programs";

namespace library_call_detail {

/// How many library calls the thread is in.
extern constinit thread_local int depth;
/// Requests served from the reserve, in the whole process. Only the reserve increments it.
extern std::atomic<std::uint64_t> refusals;

class Scope {
 public:
  Scope() : before_(refusals.load(std::memory_order_relaxed)) { ++depth; }
  ~Scope() { --depth; }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  /// Throws Error(kMemory) if the reserve was used since construction.
  void check() const {
    if (refusals.load(std::memory_order_relaxed) != before_) fail_refused();
  }

 private:
  [[noreturn]] static void fail_refused();
  std::uint64_t before_;
};

}  // namespace library_call_detail

/// Marks the calling thread as in a library call from now on: for OpenMP's own threads, and for
/// main() before the libraries' exit handlers run.
inline void stay_in_library_call() { ++library_call_detail::depth; }

/// Returns f(), which calls such a library. Throws Error(kMemory) after the call if the system
/// refused memory meanwhile, and whatever f throws. May nest.
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
