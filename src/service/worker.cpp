#include "service/worker.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/refusal.h"
#include "service/job_files.h"
#include "service/log.h"

namespace semblance::service {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::hours kPruneEvery{1};
constexpr std::chrono::seconds kTryDiskEvery{1};
constexpr std::array<double, 9> kJobBounds{1, 5, 15, 60, 180, 600, 1800, 3600, 14400};

}  // namespace

Worker::Worker(Engine& engine, Store& store, Board& board, Tasks& tasks,
               std::function<void()> between)
    : engine_(engine), store_(store), board_(board), tasks_(tasks), between_(std::move(between)) {
  thread_ = start_thread("that computes", [this] { work(); });
}

void Worker::work() {
  while (true) {
    try {
      if (!work_once()) return;
    } catch (const std::exception& error) {
      // The disk fails. Requests report it; the queue waits until it works again.
      Log::stderr_log().line(LogLevel::kError, "device error", {{"part", "the queue"}},
                             error.what());
      std::unique_lock guard(board_.mutex);
      board_.wait_for(guard, kTryDiskEvery, [&] { return board_.stopping; });
      if (board_.stopping && tasks_.empty()) return;
    }
  }
}

/// Runs the next job, or waits for work; false when the service is stopping.
bool Worker::work_once() {
  between_();
  prune_when_due();
  {
    const std::lock_guard guard(board_.mutex);
    if (board_.stopping && tasks_.empty()) return false;
  }
  if (std::optional<Job> job = take_next()) {
    run_job(std::move(*job));
  } else {
    wait_for_work();
  }
  return true;
}

/// Moves the next job from the queue to the board under the lock, so that nobody can cancel it in
/// between.
std::optional<Job> Worker::take_next() {
  const std::lock_guard guard(board_.mutex);
  if (board_.stopping) return std::nullopt;
  std::optional<Job> job = store_.next();
  if (!job) return std::nullopt;
  job->state = JobState::kRunning;
  if (!job->started) job->started = now();
  job->progress.stage = "face";
  board_.running.emplace();
  board_.running->job = *job;
  return job;
}

void Worker::wait_for_work() {
  bool woken = false;
  {
    std::unique_lock guard(board_.mutex);
    const std::uint64_t seen = board_.changes();
    // Changes since take_next() have already been signalled.
    if (!tasks_.empty() || store_.queued() > 0) return;
    woken = board_.wait_for(guard, board_.options.release_after,
                            [&] { return board_.changes() != seen || board_.stopping; });
  }
  if (!woken) engine_.release();
}

void Worker::prune_when_due() {
  if (Clock::now() < prune_at_) return;
  prune_at_ = Clock::now() + kPruneEvery;
  store_.prune(board_.options.keep_age, board_.options.keep_count);
}

/// Makes the job; false if the next start must resume it.
bool Worker::make(Job& job) {
  const auto fails = [&](std::string code, std::string text, std::string param = {}) {
    job.state = JobState::kFailed;
    job.error = {std::move(code), std::move(text), std::move(param)};
  };
  try {
    JobMaker(engine_, store_, board_, between_, job).make();
    job.state = JobState::kDone;
  } catch (const PhotoError& error) {
    fails(std::string(name_of(error.kind())), error.what(), error.part());
  } catch (const Error& error) {
    const std::lock_guard guard(board_.mutex);
    if (error.kind() != ErrorKind::kCancelled) {
      fails(std::string(name_of(error.kind())), error.what());
    } else if (board_.running->cancelled) {
      job.state = JobState::kCancelled;
    } else {
      return false;
    }
  } catch (const std::bad_alloc&) {
    fails("memory", "the system is out of memory");
  } catch (const std::exception& error) {
    fails("internal", error.what());
  }
  return true;
}

void Worker::run_job(Job job) {
  board_.changed();
  Log::stderr_log().line(LogLevel::kDebug, "job", {{"job", job.id}, {"state", name_of(job.state)}},
                         "");
  const auto begin = Clock::now();
  const bool has_ended = make(job);
  if (has_ended) {
    job.ended = now();
  } else {
    job.begun = std::max(0, job.begun - 1);  // an orderly stop does not count
  }
  write_down(job);
  if (has_ended) {
    prune_at_ = {};
    try {
      JobFiles(store_.folder_of(job.id)).tidy(job);
    } catch (const Error&) {
      // The folder is no longer ours.
    }
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  if (job.state == JobState::kFailed) {
    Log::stderr_log().line(LogLevel::kError, "failed job", {{"job", job.id}},
                           job.error->code + ": " + job.error->message);
  }
  board_.change([&] {
    job.progress = board_.running->job.progress;
    board_.running.reset();
    if (has_ended)
      board_.counts.seconds.try_emplace(job.state, kJobBounds).first->second.add(seconds);
    if (job.state == JobState::kDone) ++board_.counts.done;
    if (job.state == JobState::kFailed) ++board_.counts.failed;
    if (job.state == JobState::kCancelled) ++board_.counts.cancelled;
  });
  if (has_ended) log_job(job, seconds);
}

/// Retries until the job's end is stored: otherwise the queue would start it again.
void Worker::write_down(const Job& job) {
  while (true) {
    try {
      store_.update(job);
      return;
    } catch (const Error& error) {
      log_device_error(job.id, error);
      std::unique_lock guard(board_.mutex);
      if (board_.wait_for(guard, kTryDiskEvery, [&] { return board_.stopping; })) return;
    }
  }
}

}  // namespace semblance::service
