// The thread pool that every room shares: OpenMP's, because oneDNN uses the same one and two pools
// on a small machine would wait for each other.
#pragma once

#include <cstdint>
#include <type_traits>

namespace semblance {

/// Threads that parallel work is divided among; at least 1. The number is part of a picture's
/// identity: sums are divided by it. Not thread-safe against running work; set it once before a
/// session is prepared.
void set_threads(int threads);
int threads();

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
/// threads()). Ranges start at multiples of `grain`. f must not throw. Nested calls run on the
/// calling worker alone (worker 0).
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
