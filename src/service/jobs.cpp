#include "service/jobs.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "image/decode.h"
#include "memory/file.h"
#include "service/job_files.h"
#include "service/log.h"
#include "service/rows.h"

namespace semblance::service {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMostIdentityBytes = std::uint64_t{1} << 20U;

void write_bytes(const fs::path& path, std::string_view bytes) {
  OutputFile file(path, Readers::kOwner);
  file.write(bytes);
  file.commit();
}

void check_photo(const std::string& what, const Photo& photo) {
  try {
    probe(*file_over(what, photo.bytes));
  } catch (const Error& error) {
    throw HttpError(error, photo.name);
  }
}

/// Of the saved identity with this id, or else of the only one with this name.
std::string identity_id(const Store& store, const std::string& wanted) {
  if (store.find_identity(wanted)) return wanted;
  const std::string field = "identity";
  std::vector<std::string> named;
  for (const SavedIdentity& identity : store.identities()) {
    if (identity.name == wanted) named.push_back(identity.id);
  }
  if (named.empty()) {
    throw HttpError(404, "not_found",
                    fmt::format("cannot find the identity {}: no saved face has this name or id\n  "
                                "GET /api/identities lists them",
                                wanted.substr(0, kMostNameBytes)),
                    field);
  }
  if (named.size() > 1) {
    throw HttpError(400, "argument",
                    fmt::format("cannot take identity: {} saved faces have the name {}\n  send the "
                                "id of one; GET /api/identities lists them",
                                named.size(), wanted),
                    field);
  }
  return named.front();
}

HttpError no_job(const std::string& id) {
  return {404, "not_found", fmt::format("there is no job {}", id.substr(0, 40))};
}

}  // namespace

Jobs::Jobs(Engine& engine, Store& store, const JobsOptions& options)
    : engine_(engine), store_(store), board_(options) {
  // The program may have ended after a job's end but before its photos were deleted.
  for (const Job& job : store.list(std::numeric_limits<int>::max())) forget_photos(job);
  worker_.emplace(engine, store, board_, tasks_, [this] {
    cancel_abandoned();
    tasks_.run();
  });
}

Jobs::~Jobs() { stop(); }

void Jobs::stop() {
  board_.change([&] {
    board_.stopping = true;
    if (board_.running) board_.running->stop.request_stop();
    tasks_.request_stop();
  });
  worker_->join();
}

bool Jobs::accepts() const {
  const std::lock_guard guard(board_.mutex);
  return !board_.stopping;
}

std::optional<std::uint64_t> Jobs::planned_bytes() const {
  const std::lock_guard guard(board_.mutex);
  return board_.running ? board_.running->job.progress.planned_bytes : std::nullopt;
}

JobCounts Jobs::counts() const {
  JobCounts counts;
  {
    const std::lock_guard guard(board_.mutex);
    counts = board_.counts;
    counts.running = board_.running.has_value();
  }
  counts.queued = store_.queued();
  return counts;
}

/// The job of a client that was cut off and repeats its request.
std::optional<Job> Jobs::repeated(const JobRequest& request) {
  if (request.begins_anew) return std::nullopt;
  const std::optional<Job> known = store_.find_repeated(request.repeat_key);
  if (known && known->request.digest != request.digest) {
    throw HttpError(422, "key_reused",
                    "cannot take Idempotency-Key: it was used before with another request\n  send "
                    "a new key with a new request",
                    "Idempotency-Key");
  }
  if (!known || known->state == JobState::kCancelled || known->state == JobState::kFailed)
    return std::nullopt;
  {
    const std::lock_guard guard(board_.mutex);
    // The running job may be about to end as cancelled.
    if (board_.running && board_.running->job.id == known->id && board_.running->cancelled)
      return std::nullopt;
    waiters_.take_back(known->id);
  }
  return with_progress(*known);
}

void Jobs::refuse_where_full() const {
  if (store_.queued() < board_.options.queue_limit) return;
  double seconds_left = 0;
  {
    const std::lock_guard guard(board_.mutex);
    if (board_.running) seconds_left = board_.running->job.progress.seconds_left.value_or(0);
  }
  throw HttpError(429, "queue_full",
                  fmt::format("the queue is full: {} jobs are waiting\n  try again later",
                              board_.options.queue_limit))
      .after(std::chrono::seconds(static_cast<int>(std::clamp(seconds_left, 1.0, 60.0))));
}

/// The saved identity named by the request; empty if it has a photo.
std::string Jobs::identity_text(const JobRequest& request) const {
  if (request.identity.empty()) return {};
  const std::string id = identity_id(store_, request.identity);
  return read_small_file(store_.identity_file(id), kMostIdentityBytes);
}

/// Writes the files, then the database row: after a kill in between, the next start removes the
/// files. Returns the other job if one with the same key was added first.
std::optional<Job> Jobs::add(const JobRequest& request, const Job& job,
                             const std::string& identity) {
  const JobFiles files(store_.new_folder_of(job.id));
  if (identity.empty()) {
    write_bytes(files.photo(), request.photo.bytes);
    for (std::size_t i = 0; i < request.more_photos.size(); ++i)
      write_bytes(files.photo(i + 1), request.more_photos[i].bytes);
  } else {
    write_bytes(JobFiles::face_in(files.photo()), identity);
  }
  if (!request.pose.bytes.empty()) write_bytes(files.pose(), request.pose.bytes);
  if (!request.initial.bytes.empty()) write_bytes(files.initial(), request.initial.bytes);
  if (!request.mask.bytes.empty()) write_bytes(files.mask(), request.mask.bytes);
  for (std::size_t i = 0; i < request.control_pictures.size(); ++i)
    write_bytes(files.control(i), request.control_pictures[i].bytes);
  for (std::size_t i = 0; i < request.regions.size(); ++i)
    write_bytes(files.region(i), request.regions[i].bytes);
  // Checked again, now under the lock.
  const std::lock_guard guard(submitting_);
  if (auto known = repeated(request)) return known;
  refuse_where_full();
  store_.add(job);
  return std::nullopt;
}

Job Jobs::submit(const JobRequest& request) {
  if (!accepts()) throw HttpError(503, "shutting_down", "the service is shutting down");
  if (auto known = repeated(request)) return std::move(*known);
  refuse_where_full();
  check_initial(request);
  check_control_pictures(request);
  check_people(request);
  Job job{.id = Store::new_id(), .created = now(), .request = request};
  engine_.check_sampler(job.request);
  engine_.check_prompts(job.request, job.request.count);
  engine_.check_controls(job.request);
  try {
    if (job.request.fast) engine_.facts().defaults.complete(job.request);
  } catch (const Error& error) {
    throw HttpError(error, parameters::kFast.name);
  }
  job.request.photo.drop();
  job.request.more_photos.clear();
  job.request.pose.drop();
  job.request.initial.drop();
  job.request.mask.drop();
  job.request.control_pictures.clear();
  job.request.regions.clear();
  if (request.identity.empty()) check_photo(photo_name(0), request.photo);
  for (std::size_t i = 0; i < request.more_photos.size(); ++i)
    check_photo(photo_name(i + 1), request.more_photos[i]);
  if (!request.pose.bytes.empty()) check_photo("the pose photo", request.pose);
  if (!request.initial.bytes.empty()) check_photo("the picture to start from", request.initial);
  if (!request.mask.bytes.empty()) check_photo("the mask", request.mask);
  for (const Photo& picture : request.control_pictures)
    check_photo("a picture of a ControlNet", picture);
  for (const Photo& region : request.regions) check_photo("the mask of a person", region);
  const std::string identity = identity_text(request);
  try {
    if (auto known = add(request, job, identity)) {
      store_.remove_files(job.id);
      return std::move(*known);
    }
  } catch (...) {
    store_.remove_files(job.id);
    throw;
  }
  board_.changed();
  return with_progress(std::move(job));
}

Job Jobs::with_progress(Job job) const {
  {
    const std::lock_guard guard(board_.mutex);
    if (board_.running && board_.running->job.id == job.id) return board_.running->job;
  }
  if (job.state == JobState::kQueued) job.progress.position = store_.position(job.id);
  if (job.state == JobState::kDone) job.progress.step = job.request.step_count();
  return job;
}

Job Jobs::get(const std::string& id) const {
  std::optional<Job> job = store_.find(id);
  if (!job) throw no_job(id);
  return with_progress(std::move(*job));
}

std::vector<Job> Jobs::list(int most, const std::string& before) const {
  std::vector<Job> jobs = store_.list(most, before);
  for (Job& job : jobs) job = with_progress(std::move(job));
  return jobs;
}

Job Jobs::cancel(const std::string& id) {
  board_.change([&] {
    if (board_.running && board_.running->job.id == id) {
      board_.running->cancelled = true;
      board_.running->stop.request_stop();
      return;
    }
    // The worker takes jobs from the queue under the board's mutex, so it cannot start this one
    // meanwhile.
    std::optional<Job> job = store_.find(id);
    if (!job) throw no_job(id);
    if (job->ended_already()) return;
    job->state = JobState::kCancelled;
    job->ended = now();
    store_.update(*job);
    forget_photos(*job);
    ++board_.counts.cancelled;
    log_job(*job, 0);
  });
  return get(id);
}

void Jobs::end_picture(const std::string& id) {
  const std::lock_guard guard(board_.mutex);
  if (board_.running && board_.running->job.id == id) board_.running->ends_picture = true;
}

void Jobs::abandon(const std::string& id) {
  const std::optional<Job> job = store_.find(id);
  if (!job || job->ended_already() || waiters_.any(id)) return;
  if (job->request.repeat_key.empty()) {
    cancel(id);
  } else {
    waiters_.leave(id, Clock::now() + kGrace);
  }
}

void Jobs::cancel_abandoned() {
  for (const std::string& id : waiters_.take_due(Clock::now())) {
    if (store_.find(id)) cancel(id);
  }
}

Jobs::Waiter::Waiter(Jobs& jobs, std::string id) : jobs_(jobs), id_(std::move(id)) {
  jobs_.waiters_.begin(id_);
}

Jobs::Waiter::~Waiter() {
  jobs_.waiters_.end(id_);
  if (is_over_) return;
  try {
    jobs_.abandon(id_);
  } catch (const std::exception&) {
    // The disk fails: the job runs although nobody waits for it.
  }
}

void Jobs::remove(const std::string& id) {
  cancel(id);
  {
    std::unique_lock guard(board_.mutex);
    board_.wait_until(guard, [&] { return !board_.running || board_.running->job.id != id; });
  }
  store_.remove(id);
  board_.changed();
}

JobFiles Jobs::files_of_picture(const std::string& id, std::size_t n) const {
  const std::optional<Job> job = store_.find(id);
  if (!job) throw no_job(id);
  if (n >= job->pictures.size()) {
    throw HttpError(404, "not_found",
                    fmt::format("job {} has {} pictures so far", id, job->pictures.size()));
  }
  return JobFiles(store_.folder_of(id));
}

std::shared_ptr<const File> Jobs::picture(const std::string& id, std::size_t n) const {
  return open_file(files_of_picture(id, n).picture(n));
}

std::shared_ptr<const File> Jobs::small_picture(const std::string& id, std::size_t n) const {
  const JobFiles files = files_of_picture(id, n);
  std::error_code none;
  const bool has_small = std::filesystem::exists(files.small_picture(n), none);
  return open_file(has_small ? files.small_picture(n) : files.picture(n));
}

std::shared_ptr<const File> Jobs::kept_photo(const std::string& id) const {
  const std::optional<Job> job = store_.find(id);
  if (!job) throw no_job(id);
  const std::filesystem::path photo = JobFiles(store_.folder_of(id)).photo();
  std::error_code none;
  if (!job->ended_already() || !job->request.keep_photo || !std::filesystem::exists(photo, none))
    throw HttpError(404, "not_found", fmt::format("job {} keeps no photo", id));
  return open_file(photo);
}

std::optional<Preview> Jobs::preview(const std::string& id) const {
  const std::lock_guard guard(board_.mutex);
  return board_.running && board_.running->job.id == id ? board_.running->preview : std::nullopt;
}

void Jobs::forget_photos(const Job& job) const {
  try {
    JobFiles(store_.folder_of(job.id)).tidy(job);
  } catch (const Error&) {
    // A link in place of the folder: not ours.
  }
}

}  // namespace semblance::service
