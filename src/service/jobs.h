// The queue's interface. Behind it: the compute thread (worker.h), the making of one job
// (job_maker.h), other work for that thread (tasks.h), who waits for which job (waiters.h), and
// the data on disk (store.h). Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "service/board.h"
#include "service/engine.h"
#include "service/http.h"
#include "service/job.h"
#include "service/job_files.h"
#include "service/store.h"
#include "service/tasks.h"
#include "service/waiters.h"
#include "service/worker.h"

namespace semblance::service {

class Jobs {
 public:
  static constexpr std::chrono::seconds kGrace{10};

  Jobs(Engine& engine, Store& store, const JobsOptions& options);
  ~Jobs();

  /// Puts a job into the queue, or finds the one with the same repeat_key. Once this returns, the
  /// job survives a power cut. Throws HttpError: 429 with Retry-After if the queue is full, 404 for
  /// an unknown identity, 422 if the repeat_key was used with another request, 503 after stop(),
  /// and 400 for a photo that is not an image.
  Job submit(const JobRequest& request);
  /// Throws HttpError(404).
  Job get(const std::string& id) const;
  std::vector<Job> list(int most, const std::string& before) const;
  Job cancel(const std::string& id);
  /// Ends the steps of the job's current picture after the one that is being computed: it becomes
  /// what they predict. Does nothing if the job is not running.
  void end_picture(const std::string& id);
  void remove(const std::string& id);
  /// Call when a waiting client has left: cancels the job at once, or, if it has a repeat_key,
  /// unless someone asks for it again within kGrace. Does nothing while others attend it.
  void abandon(const std::string& id);

  /// Represents a client that waits for a job. When the last one is destroyed without end(), the
  /// job is abandoned.
  class Waiter {
   public:
    Waiter(Jobs& jobs, std::string id);
    ~Waiter();
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    /// The client got its result.
    void end() { is_over_ = true; }
    const std::string& id() const { return id_; }

   private:
    Jobs& jobs_;
    std::string id_;
    bool is_over_ = false;
  };
  /// The PNG of a finished picture, opened: it stays readable if the job is removed meanwhile.
  /// Throws HttpError(404).
  std::shared_ptr<const File> picture(const std::string& id, std::size_t n) const;
  /// The same as a small WebP; the PNG itself of a job that has none, from an earlier version.
  std::shared_ptr<const File> small_picture(const std::string& id, std::size_t n) const;
  /// The person's photo of an ended job that keeps it. Throws HttpError(404).
  std::shared_ptr<const File> kept_photo(const std::string& id) const;
  /// The newest preview, if `id` is the running job.
  std::optional<Preview> preview(const std::string& id) const;

  /// Incremented by every change of any job. wait() returns the count once it differs from `seen`,
  /// at the latest after `most`.
  std::uint64_t changes() const { return board_.changes(); }
  std::uint64_t wait(std::uint64_t seen, std::chrono::milliseconds most) const {
    return board_.wait(seen, most);
  }

  /// Runs `work` on the compute thread and returns its result. Throws what it throws, and
  /// HttpError(499) once the client has left. Work that fails with Error(kMemory) while a job is
  /// running is repeated after that job.
  template <typename F>
  auto between(const HttpRequest& request, F&& work) {
    std::optional<decltype(work(std::stop_token()))> result;
    tasks_.have_done(request.client_left,
                     [&](std::stop_token stop) { result.emplace(work(stop)); });
    return std::move(*result);
  }

  JobCounts counts() const;
  bool accepts() const;
  /// The planned memory of the running job.
  std::optional<std::uint64_t> planned_bytes() const;

  /// Accepts no more jobs; stops the running one and saves it for the next start. Returns when the
  /// compute thread has ended.
  void stop();

 private:
  JobFiles files_of_picture(const std::string& id, std::size_t n) const;
  std::optional<Job> repeated(const JobRequest& request);
  void refuse_where_full() const;
  std::string identity_text(const JobRequest& request) const;
  std::optional<Job> add(const JobRequest& request, const Job& job, const std::string& identity);
  void forget_photos(const Job& job) const;
  void cancel_abandoned();
  Job with_progress(Job job) const;

  const Engine& engine_;
  Store& store_;
  Board board_;
  Tasks tasks_{board_};
  Waiters waiters_;
  std::mutex submitting_;  // held while a repeat_key is looked up and added
  std::optional<Worker> worker_;
};

}  // namespace semblance::service
