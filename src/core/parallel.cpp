#include "core/parallel.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#ifndef SEMBLANCE_FUZZ
#include <omp.h>
#endif

namespace semblance {

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

void wait_passively(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", 1);
  execv("/proc/self/exe", argv);
}

#ifdef SEMBLANCE_FUZZ  // one thread: see cmake/fuzz/FindOpenMP.cmake

void set_threads(int) {}
int threads() { return 1; }

namespace parallel_detail {
void run(std::int64_t count, std::int64_t, RangeFunction function, void* context) {
  if (count > 0) function(context, 0, count, 0);
}
}  // namespace parallel_detail

#else

void set_threads(int threads) { omp_set_num_threads(std::max(1, threads)); }

int threads() { return omp_get_max_threads(); }

namespace parallel_detail {

void run(std::int64_t count, std::int64_t grain, RangeFunction function, void* context) {
  if (count <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  const std::int64_t grains = (count + grain - 1) / grain;
  const int workers = static_cast<int>(std::min<std::int64_t>(grains, threads()));
  if (workers == 1 || omp_in_parallel() != 0) {
    function(context, 0, count, 0);
    return;
  }
#pragma omp parallel num_threads(workers)
  {
    const std::int64_t team = omp_get_num_threads();
    const std::int64_t worker = omp_get_thread_num();
    const std::int64_t begin = grains * worker / team * grain;
    const std::int64_t end = std::min(count, grains * (worker + 1) / team * grain);
    if (begin < end) function(context, begin, end, static_cast<int>(worker));
  }
}

}  // namespace parallel_detail

#endif
}  // namespace semblance
