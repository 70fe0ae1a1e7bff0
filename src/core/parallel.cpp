#include "core/parallel.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>

#include "core/library_call.h"
#include "core/spare_threads.h"

#ifdef SEMBLANCE_SANITIZED
#include <thread>
#include <vector>

extern "C" {  // clang has no omp.h without its own OpenMP
int omp_get_max_threads();
void omp_set_num_threads(int);
}
#else
#include <omp.h>
#endif

namespace semblance {

void wait_passively(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  if (setenv("OMP_WAIT_POLICY", "passive", 1) != 0) return;
  execv("/proc/self/exe", argv);
}

namespace {

std::atomic<int> process_threads = 0;  // 0: not known yet
thread_local int limit = 0;            // 0: none

/// The spare threads set aside for the calling thread, which leads teams.
class Claim {
 public:
  ~Claim() {
    if (count_ > 0) SpareThreads::instance()->give_back(count_);
  }
  void raise_to(int count) {
    SpareThreads* const spare = SpareThreads::instance();
    if (spare == nullptr || count <= count_) return;
    spare->claim(count - count_);
    count_ = count;
  }

 private:
  int count_ = 0;
};
thread_local Claim claim;

#ifdef SEMBLANCE_SANITIZED  // see cmake/sanitize/FindOpenMP.cmake

thread_local bool in_team = false;
bool inside_team() { return in_team; }

template <typename F>
void run_team(int workers, F&& f) {
  const auto member = [&](int worker) {
    in_team = true;
    f(worker, workers);
    in_team = false;
  };
  std::vector<std::thread> others;
  for (int worker = 1; worker < workers; ++worker) others.emplace_back(member, worker);
  member(0);
  for (std::thread& each : others) each.join();
}

#else

bool inside_team() { return omp_in_parallel() != 0; }

/// Calls f(worker, size of the team) on each thread of a team. OpenMP may give fewer threads.
template <typename F>
void run_team(int workers, F&& f) {
#pragma omp parallel num_threads(workers)
  f(omp_get_thread_num(), omp_get_num_threads());
}

#endif

}  // namespace

void set_threads(int threads) {
  process_threads = std::max(1, threads);
  if (SpareThreads* const spare = SpareThreads::instance()) spare->ensure(process_threads - 1);
}

int threads() {
  if (limit > 0) return limit;
  if (const int known = process_threads.load(std::memory_order_relaxed)) return known;
  int unknown = 0;
  process_threads.compare_exchange_strong(unknown, omp_get_max_threads());
  return process_threads;
}

ThreadLimit::ThreadLimit(int most) : before_(limit) {
  threads();  // read OpenMP's own number before it changes
  limit = most;
}
ThreadLimit::~ThreadLimit() {
  limit = before_;
  if (omp_get_max_threads() != threads()) omp_set_num_threads(threads());
}

void set_openmp_threads() {
  if (omp_get_max_threads() == threads()) return;
  library_call([] { omp_set_num_threads(threads()); });
}

void start_threads() {
  claim.raise_to(threads() - 1);
  set_openmp_threads();
}

namespace parallel_detail {

void run(std::int64_t count, std::int64_t grain, RangeFunction function, void* context) {
  if (count <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  const std::int64_t grains = (count + grain - 1) / grain;
  const int workers = static_cast<int>(std::min<std::int64_t>(grains, threads()));
  if (workers == 1 || inside_team()) {
    function(context, 0, count, 0);
    return;
  }
  start_threads();
  std::atomic_flag failed;
  std::exception_ptr error;
  library_call([&] {
    run_team(workers, [&](std::int64_t worker, std::int64_t team) {
      try {
        const std::int64_t begin = grains * worker / team * grain;
        const std::int64_t end = std::min(count, grains * (worker + 1) / team * grain);
        if (begin < end) function(context, begin, end, static_cast<int>(worker));
      } catch (...) {
        if (!failed.test_and_set()) error = std::current_exception();
      }
    });
  });
  if (error != nullptr) std::rethrow_exception(error);
}

}  // namespace parallel_detail

}  // namespace semblance
