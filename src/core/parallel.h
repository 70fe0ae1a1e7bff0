// The thread pool that every room shares: OpenMP's, because oneDNN uses the same one and two pools
// on a small machine would wait for each other.
#pragma once

#include <cstdint>
#include <type_traits>

namespace semblance {

/// Threads that parallel work of the process is divided among; at least 1. The number is part of a
/// picture's identity: sums are divided by it. Not thread-safe against running work; set it once
/// before a session is prepared. In the program it starts them, and throws Error(kDevice), which
/// names the limits, where the system makes no more.
void set_threads(int threads);
int threads();

/// threads() of the calling thread, in a scope.
class ThreadLimit {
 public:
  explicit ThreadLimit(int most);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

/// For calls of libraries that ask OpenMP: the calling thread's number there becomes threads().
/// start_threads() also sees that the calling thread has that many to lead, and throws as
/// set_threads().
void tell_openmp();
void start_threads();

/// Processor cores this process may run on: the default for set_threads.
int available_cores();

/// Makes waiting threads sleep instead of spin, unless the user chose (OMP_WAIT_POLICY): beside
/// another busy process, spinning made small pictures 20 times slower. OpenMP reads this only when
/// a program starts, so the program starts again: call it first in main(). Returns where that
/// cannot be done, which costs speed alone.
void wait_passively(char** argv);

namespace parallel_detail {
using RangeFunction = void (*)(void* context, std::int64_t begin, std::int64_t end, int worker);
void run(std::int64_t count, std::int64_t grain, RangeFunction function, void* context);
}  // namespace parallel_detail

/// Calls f(begin, end, worker) on disjoint ranges that cover [0, count); worker is in [0,
/// threads()). Ranges start at multiples of `grain`. Nested calls run on the calling worker alone
/// (worker 0). Throws the first of what f throws, when all ranges are over, and what
/// start_threads() and library_call() throw.
template <typename F>
void parallel_ranges(std::int64_t count, std::int64_t grain, F&& f) {
  using Function = std::remove_reference_t<F>;
  parallel_detail::run(
      count, grain,
      [](void* context, std::int64_t begin, std::int64_t end, int worker) {
        (*static_cast<Function*>(context))(begin, end, worker);
      },
      const_cast<void*>(static_cast<const void*>(&f)));
}

/// Calls f(i) for every i in [0, count).
template <typename F>
void parallel_for(std::int64_t count, F&& f) {
  parallel_ranges(count, 1, [&f](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) f(i);
  });
}

}  // namespace semblance
