// The queue at work. One thread computes everything, one job after the other, since one picture
// takes all cores; what others need of the models meanwhile (a look at a photo) it does between two
// steps, where it fits beside the running job, and else after it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "service/engine.h"
#include "service/http.h"
#include "service/job.h"
#include "service/store.h"

namespace semblance::service {

struct JobsOptions {
  int queue_limit = 64;                    // jobs that wait
  int keep_count = 200;                    // results
  std::chrono::hours keep_age{24 * 14};    // of results
  std::chrono::seconds release_after{60};  // without work the models are given back
  int begin_limit = 3;  // a job with which the program ended so often is not begun again
  std::chrono::milliseconds save_every{2000};  // the running job's state
};

/// A request for pictures, as it came.
struct NewJob {
  JobSettings settings = {};
  std::string_view photo = {};   // the file's bytes; or
  std::string identity_id = {};  // a saved identity
  int face = 0;
  std::string_view pose = {};  // where the face stands, in place of the photo's
  bool keep_photo = false;
  std::string repeat_key = {};
  bool begins_anew = false;  // an older job of the same repeat_key is not taken for it
};

/// A job as it is now.
struct JobView {
  Job job;
  Progress progress;
  std::optional<int> position;
  nlohmann::json json() const;
};

/// A preview of the picture in the making.
struct Preview {
  std::size_t image = 0;
  int step = 0;
  std::string jpeg;
};

struct JobCounts {
  std::uint64_t done = 0, failed = 0, cancelled = 0;  // since the start
  std::uint64_t pictures = 0, steps = 0;
  double step_seconds = 0;  // of all steps
  int queued = 0;
  bool running = false;
};

class Jobs {
 public:
  static constexpr std::chrono::seconds kGrace{10};

  Jobs(Engine& engine, Store& store, const JobsOptions& options);
  ~Jobs();

  /// Puts a job into the queue, or finds the one of the same repeat_key. Throws HttpError: 429 with
  /// Retry-After where the queue is full, 404 for an identity that is not there, 503 once stop()
  /// was called; and what probe() throws for a photo that is none.
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
  /// The PNG of a picture that is done. Throws HttpError(404).
  std::string picture(const std::string& id, std::size_t n) const;
  /// The newest preview of the running job, where it is of `id`.
  std::optional<Preview> preview(const std::string& id) const;

  /// Counts up with every change of any job. wait() returns the count once it is another than
  /// `seen`, or after `most`.
  std::uint64_t changes() const { return changes_; }
  std::uint64_t wait(std::uint64_t seen, std::chrono::milliseconds most) const;

  /// Does a piece of work on the thread that computes and gives what it gives. Throws what the work
  /// throws, and HttpError(499) once the client has left. Work that ends with Error(kMemory) beside
  /// a running job is done again after it.
  template <typename F>
  auto between(const HttpRequest& request, F&& work) {
    std::optional<decltype(work(std::stop_token()))> result;
    do_between(request.client_left, [&](std::stop_token stop) { result.emplace(work(stop)); });
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
  struct Task {
    std::function<void(std::stop_token)> work;
    std::stop_source stop;
    std::exception_ptr error;
    bool done = false;
    bool after_the_job = false;
  };
  struct Running {
    Job job;
    Progress progress;
    std::optional<Preview> preview;
    std::stop_source stop;
    bool cancelled = false;  // by its user
  };

  void work();
  bool work_once();
  std::optional<JobView> repeated(const NewJob& request);
  void refuse_where_full() const;
  void prune_when_due();
  void write_end(const Job& job);
  void forget_photos(const Job& job);
  void do_between(const std::function<bool()>& client_left,
                  std::function<void(std::stop_token)> work);
  bool run_tasks();
  void cancel_abandoned();
  void run_job(Job job);
  void make_pictures(Job& job);
  void make_picture(Job& job, Request request, const Identity& person, const Keypoints& keypoints);
  void steps(Generation& generation, Size size, const std::filesystem::path& saved);
  void show(const Generation& generation, Size size);
  Identity person_of(const Job& job, const std::string& name, int face);
  void set_stage(const std::string& stage);
  void changed();
  JobView view_of(Job job) const;

  Engine& engine_;
  Store& store_;
  JobsOptions options_;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::atomic<std::uint64_t> changes_ = 0;
  std::optional<Running> running_;
  std::deque<std::shared_ptr<Task>> tasks_;
  std::map<std::string, std::chrono::steady_clock::time_point> abandoned_;  // until when
  std::map<std::string, int> attended_;                                     // by how many
  bool stopping_ = false;
  JobCounts counts_;
  std::mutex submitting_;  // one repeat_key is looked for and added at a time
  std::chrono::steady_clock::time_point prune_at_{};
  std::thread thread_;
};

}  // namespace semblance::service
