// The queue as all others see it. Behind it: the worker that computes (worker.h), the making of one
// job (job_maker.h), work that others have for that thread (tasks.h), who waits for which job
// (attendances.h), and what is on disk (store.h). Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "service/attendances.h"
#include "service/board.h"
#include "service/engine.h"
#include "service/http.h"
#include "service/job.h"
#include "service/store.h"
#include "service/tasks.h"
#include "service/worker.h"

namespace semblance::service {

struct JobsOptions {
  int queue_limit = 64;                    // jobs that wait
  int keep_count = 200;                    // results
  std::chrono::hours keep_age{24 * 14};    // of results
  std::chrono::seconds release_after{60};  // without work the models are given back
  int begin_limit = 3;  // starts in a row in which the program ended before the job gained a step
  std::chrono::milliseconds save_every{2000};  // the running job's state
  PatienceOptions patience = {};               // with a device that fails
};

/// A request for pictures, as it came.
struct NewJob {
  JobSettings settings = {};
  std::string_view photo = {};   // the file's bytes; or
  std::string identity_id = {};  // a saved identity
  int face = 0;
  std::string_view pose = {};  // where the face stands, in place of the photo's
  std::string_view photo_name = "photo", pose_name = "pose";  // in the request, for errors
  bool keep_photo = false;
  std::string repeat_key = {};
  std::string digest = {};   // of the whole request, where there is a repeat_key
  bool begins_anew = false;  // an older job of the same repeat_key is not taken for it
};

/// A job as it is now.
struct JobView {
  Job job;
  Progress progress;
  std::optional<int> position;
  nlohmann::json json() const;
  nlohmann::json short_json() const;  // with shortened prompts: for lists and events
};

class Jobs {
 public:
  static constexpr std::chrono::seconds kGrace{10};

  Jobs(Engine& engine, Store& store, const JobsOptions& options);
  ~Jobs();

  /// Puts a job into the queue, or finds the one of the same repeat_key. The job outlives a power
  /// cut once this returns. Throws HttpError: 429 with Retry-After where the queue is full, 404 for
  /// an identity that is not there, 422 where the repeat_key came with another request, 503 once
  /// stop() was called; and 400 for a photo that is none.
  JobView submit(const NewJob& request);
  /// Throws HttpError(404).
  JobView view(const std::string& id) const;
  std::vector<JobView> list(int most, const std::string& before) const;
  JobView cancel(const std::string& id);
  void remove(const std::string& id);
  /// The client that waits for a job has left: it is cancelled, or, where it has a repeat_key, once
  /// nobody asked for it again for kGrace. Nothing where others attend it.
  void abandon(const std::string& id);

  /// Stands for a client that waits for a job: when the last one is gone without end(), the job is
  /// abandoned.
  class Attendance {
   public:
    Attendance(Jobs& jobs, std::string id);
    ~Attendance();
    Attendance(const Attendance&) = delete;
    Attendance& operator=(const Attendance&) = delete;
    /// The client has what it waited for.
    void end() { is_over_ = true; }
    const std::string& id() const { return id_; }

   private:
    Jobs& jobs_;
    std::string id_;
    bool is_over_ = false;
  };
  /// The PNG of a picture that is done, open: it stays readable when the job is removed meanwhile.
  /// Throws HttpError(404).
  std::shared_ptr<const File> picture(const std::string& id, std::size_t n) const;
  /// The newest preview of the running job, where it is of `id`.
  std::optional<Preview> preview(const std::string& id) const;

  /// Counts up with every change of any job. wait() returns the count once it is another than
  /// `seen`, or after `most`.
  std::uint64_t changes() const { return board_.changes(); }
  std::uint64_t wait(std::uint64_t seen, std::chrono::milliseconds most) const {
    return board_.wait(seen, most);
  }

  /// Does a piece of work on the thread that computes and gives what it gives. Throws what the work
  /// throws, and HttpError(499) once the client has left. Work that ends with Error(kMemory) beside
  /// a running job is done again after it.
  template <typename F>
  auto between(const HttpRequest& request, F&& work) {
    std::optional<decltype(work(std::stop_token()))> result;
    tasks_.have_done(request.client_left,
                     [&](std::stop_token stop) { result.emplace(work(stop)); });
    return std::move(*result);
  }

  JobCounts counts() const;
  bool accepts() const;
  /// What the running job is planned to take.
  std::optional<std::uint64_t> planned_bytes() const;

  /// Takes no more jobs; the running one is stopped, and saved to go on after the next start.
  /// Returns when nothing is computed any more.
  void stop();

 private:
  std::optional<JobView> repeated(const NewJob& request);
  void refuse_where_full() const;
  std::string identity_text(const NewJob& request) const;
  std::optional<JobView> add(const NewJob& request, const Job& job, const std::string& identity);
  void forget_photos(const Job& job) const;
  void cancel_abandoned();
  JobView view_of(Job job) const;

  const Engine& engine_;
  Store& store_;
  JobsOptions options_;
  Board board_;
  Tasks tasks_{board_};
  Attendances attendances_;
  std::mutex submitting_;  // one repeat_key is looked for and added at a time
  std::optional<Worker> worker_;
};

}  // namespace semblance::service
