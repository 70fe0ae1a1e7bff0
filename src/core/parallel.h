// The thread pool that every room shares. It is OpenMP's, because oneDNN uses it too, and two pools
// on a small machine would wait for each other.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

namespace semblance {

/// The number of threads that share parallel work in this process; at least 1. Pictures depend on
/// it, because sums are split by it. Not thread-safe while work is running; set it once, before a
/// session is prepared. The program also starts the threads here, and throws Error(kDevice), which
/// names the limits, if the system refuses them.
void set_threads(int threads);
int threads();

/// Sets threads() for the calling thread within a scope.
class ThreadLimit {
 public:
  explicit ThreadLimit(int most);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

/// For calls into libraries that use OpenMP: sets OpenMP's thread count for the calling thread to
/// threads(). start_threads() also makes sure that the calling thread has that many to lead, and
/// throws like set_threads().
void set_openmp_threads();
void start_threads();

/// Processor cores this process may run on: the default for set_threads.
int available_cores();

/// Makes waiting threads sleep instead of spin, unless the user has set OMP_WAIT_POLICY: beside
/// another busy process, spinning made small pictures 20 times slower. OpenMP reads the variable
/// only at program start, so this restarts the program: call it first in main(). Returns if it
/// cannot restart, which only costs speed.
void wait_passively(char** argv);

namespace parallel_detail {
using RangeFunction = void (*)(void* context, std::int64_t begin, std::int64_t end, int worker);
void run(std::int64_t count, std::int64_t grain, RangeFunction function, void* context);
}  // namespace parallel_detail

/// Calls f(begin, end, worker) on disjoint ranges that cover [0, count); worker is in [0,
/// threads()). Ranges start at multiples of `grain`. Nested calls run on the calling worker alone
/// (worker 0). When all ranges have finished, rethrows the first exception of f. Also throws what
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

/// Calls f(i, worker) for every i in [0, count), in this order: a worker takes the next when it is
/// free. For items of some 100 microseconds or more, which may last longer on a busy core. Throws
/// like parallel_ranges().
template <typename F>
void parallel_items(std::int64_t count, F&& f) {
  std::atomic<std::int64_t> next = 0;
  parallel_ranges(threads(), 1, [&](std::int64_t, std::int64_t, int worker) {
    for (std::int64_t i = 0; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;)
      f(i, worker);
  });
}

}  // namespace semblance
