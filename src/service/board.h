// Shared by the queue's threads: its options, the running job as others see it, and a count of
// changes to wait for.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "service/histogram.h"
#include "service/job.h"
#include "service/patience.h"

namespace semblance::service {

/// A preview of the current picture.
struct Preview {
  std::size_t image = 0;
  int step = 0;
  std::string jpeg;
};

struct JobsOptions {
  int queue_limit = 64;                    // waiting jobs
  int keep_count = 200;                    // results
  std::chrono::hours keep_age{24 * 14};    // of results
  std::chrono::seconds release_after{60};  // idle time before the models are released
  int begin_limit = 3;  // consecutive starts that ended the program before the job gained a step
  std::chrono::milliseconds save_every{2000};  // the running job's state
  PatienceOptions patience = {};               // with a failing device
};

struct JobCounts {
  std::uint64_t done = 0, failed = 0, cancelled = 0;  // since the start
  std::uint64_t pictures = 0, steps = 0;
  double step_seconds = 0;                     // of all steps
  std::map<JobState, Histogram> seconds = {};  // of ended jobs, of this run of the program
  int queued = 0;
  bool running = false;
};

struct RunningJob {
  Job job;
  std::optional<Preview> preview;
  std::stop_source stop;
  bool cancelled = false;     // by the user
  bool ends_picture = false;  // by the user: the current picture is what its steps predict now
};

class Board {
 public:
  explicit Board(const JobsOptions& queue_options) : options(queue_options) {}

  const JobsOptions options;
  // Guarded by `mutex`.
  mutable std::mutex mutex;
  std::optional<RunningJob> running;
  JobCounts counts;
  bool stopping = false;

  /// Counts up with every change of any job.
  std::uint64_t changes() const { return changes_; }
  /// Notifies all waiting threads. Call without `mutex`.
  void changed();
  /// Calls change() with `mutex` locked, then notifies all waiting threads.
  template <typename F>
  void change(F&& change) {
    {
      const std::lock_guard guard(mutex);
      change();
    }
    changed();
  }
  /// Returns the count as soon as it differs from `seen`, at the latest after `most`.
  std::uint64_t wait(std::uint64_t seen, std::chrono::milliseconds most) const;
  /// Waits, with `mutex` held by `guard`, until done() or for `most`; checks after each change.
  /// Returns done().
  template <typename F>
  bool wait_for(std::unique_lock<std::mutex>& guard, std::chrono::milliseconds most,
                F&& done) const {
    return changed_.wait_for(guard, most, done);
  }
  template <typename F>
  void wait_until(std::unique_lock<std::mutex>& guard, F&& done) const {
    changed_.wait(guard, done);
  }

 private:
  mutable std::condition_variable changed_;
  std::atomic<std::uint64_t> changes_ = 0;
};

}  // namespace semblance::service
