#include "service/jobs.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "core/error.h"
#include "core/refusal.h"
#include "face/identity.h"
#include "image/encode.h"
#include "memory/file.h"

namespace semblance::service {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kPhoto = "photo";
constexpr const char* kPose = "pose";
constexpr const char* kSavedRun = "run.resume";
constexpr std::chrono::milliseconds kPreviewEvery{200};
constexpr std::chrono::hours kPruneEvery{1};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void write_bytes(const fs::path& path, std::string_view bytes) {
  OutputFile file(path);
  file.write(bytes);
  file.commit();
}

void remove_file(const fs::path& path) {
  std::error_code ignored;
  fs::remove(path, ignored);
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uniform_int_distribution<std::uint64_t>(0, (std::uint64_t{1} << 31U) - 1)(device);
}

/// What was found in a photo is kept beside it: the face is looked for once.
fs::path found_in(const fs::path& folder, const std::string& photo) {
  return folder / (photo + ".json");
}

HttpError no_job(const std::string& id) {
  return {404, "not_found", fmt::format("there is no job {}", id.substr(0, 40))};
}

}  // namespace

nlohmann::json JobView::json() const { return to_json(job, progress, position); }

Jobs::Jobs(Engine& engine, Store& store, const JobsOptions& options)
    : engine_(engine), store_(store), options_(options) {
  // The program may have ended between a job's end and what comes after it.
  for (const Job& job : store.list(std::numeric_limits<int>::max())) {
    if (job.ended_already()) forget_photos(job);
  }
  thread_ = start_thread("that computes", [this] { work(); });
}

Jobs::~Jobs() { stop(); }

void Jobs::stop() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
    if (running_) running_->stop.request_stop();
    for (const auto& task : tasks_) task->stop.request_stop();
  }
  changed();
  if (thread_.joinable()) thread_.join();
}

void Jobs::changed() {
  {
    const std::lock_guard guard(mutex_);
    ++changes_;
  }
  changed_.notify_all();
}

std::uint64_t Jobs::wait(std::uint64_t seen, std::chrono::milliseconds most) const {
  std::unique_lock guard(mutex_);
  changed_.wait_for(guard, most, [&] { return changes_ != seen; });
  return changes_;
}

bool Jobs::accepts() const {
  const std::lock_guard guard(mutex_);
  return !stopping_;
}

std::optional<std::uint64_t> Jobs::planned_bytes() const {
  const std::lock_guard guard(mutex_);
  return running_ ? running_->progress.planned_bytes : std::nullopt;
}

JobCounts Jobs::counts() const {
  JobCounts counts;
  {
    const std::lock_guard guard(mutex_);
    counts = counts_;
    counts.running = running_.has_value();
  }
  counts.queued = store_.queued();
  return counts;
}

/// A client that was cut off and asks again: what it had is gone on with.
std::optional<JobView> Jobs::repeated(const NewJob& request) {
  if (request.begins_anew) return std::nullopt;
  const std::optional<Job> known = store_.find_repeated(request.repeat_key);
  if (!known || known->state == JobState::kCancelled || known->state == JobState::kFailed)
    return std::nullopt;
  {
    const std::lock_guard guard(mutex_);
    // It may be about to end as cancelled.
    if (running_ && running_->job.id == known->id && running_->cancelled) return std::nullopt;
    abandoned_.erase(known->id);
  }
  return view_of(*known);
}

void Jobs::refuse_where_full() const {
  if (store_.queued() < options_.queue_limit) return;
  double seconds_left = 0;
  {
    const std::lock_guard guard(mutex_);
    if (running_) seconds_left = running_->progress.seconds_left.value_or(0);
  }
  throw HttpError(429, "queue_full",
                  fmt::format("{} jobs wait already, which is the most\n  try again later",
                              options_.queue_limit))
      .after(std::chrono::seconds(static_cast<int>(std::clamp(seconds_left, 1.0, 60.0))));
}

JobView Jobs::submit(const NewJob& request) {
  if (!accepts()) throw HttpError(503, "shutting_down", "the service is about to end");
  if (auto known = repeated(request)) return std::move(*known);
  refuse_where_full();
  Job job{.id = Store::new_id(),
          .created = std::chrono::system_clock::now(),
          .settings = request.settings,
          .face = request.face,
          .keep_photo = request.keep_photo,
          .repeat_key = request.repeat_key};
  if (request.identity_id.empty()) probe(*file_over("the photo", request.photo));
  if (!request.pose.empty()) probe(*file_over("the pose photo", request.pose));
  std::string identity;
  if (!request.identity_id.empty()) {
    if (!store_.find_identity(request.identity_id))
      throw HttpError(404, "not_found", "there is no such identity", "identity");
    identity = read_small_file(store_.identity_file(request.identity_id), 1U << 20U);
  }
  try {
    const fs::path folder = store_.folder_of(job.id);
    if (identity.empty()) {
      write_bytes(folder / kPhoto, request.photo);
    } else {
      write_bytes(found_in(folder, kPhoto), identity);
    }
    if (!request.pose.empty()) write_bytes(folder / kPose, request.pose);
    // Again, and now so that no other request comes in between.
    const std::lock_guard guard(submitting_);
    if (auto known = repeated(request)) {
      store_.remove(job.id);
      return std::move(*known);
    }
    refuse_where_full();
    store_.add(job);
  } catch (...) {
    store_.remove_files(job.id);
    throw;
  }
  changed();
  return view_of(std::move(job));
}

JobView Jobs::view_of(Job job) const {
  {
    const std::lock_guard guard(mutex_);
    if (running_ && running_->job.id == job.id)
      return {.job = running_->job, .progress = running_->progress, .position = {}};
  }
  JobView view{.job = std::move(job), .progress = {}, .position = {}};
  if (view.job.state == JobState::kQueued) view.position = store_.position(view.job.id);
  if (view.job.state == JobState::kDone) view.progress.step = view.job.settings.steps;
  return view;
}

JobView Jobs::view(const std::string& id) const {
  std::optional<Job> job = store_.find(id);
  if (!job) throw no_job(id);
  return view_of(std::move(*job));
}

std::vector<JobView> Jobs::list(int most, const std::string& before) const {
  std::vector<JobView> views;
  for (Job& job : store_.list(most, before)) views.push_back(view_of(std::move(job)));
  return views;
}

JobView Jobs::cancel(const std::string& id) {
  {
    const std::lock_guard guard(mutex_);
    if (running_ && running_->job.id == id) {
      running_->cancelled = true;
      running_->stop.request_stop();
      return {.job = running_->job, .progress = running_->progress, .position = {}};
    }
    // The thread that computes takes a job from the queue with the lock held, so it cannot begin
    // with this one meanwhile.
    std::optional<Job> job = store_.find(id);
    if (!job) throw no_job(id);
    if (!job->ended_already()) {
      job->state = JobState::kCancelled;
      job->ended = std::chrono::system_clock::now();
      store_.update(*job);
      forget_photos(*job);
      ++counts_.cancelled;
    }
  }
  changed();
  return view(id);
}

void Jobs::abandon(const std::string& id) {
  const std::optional<Job> job = store_.find(id);
  if (!job || job->ended_already()) return;
  {
    const std::lock_guard guard(mutex_);
    if (attended_.contains(id)) return;
    if (!job->repeat_key.empty()) {
      abandoned_[id] = Clock::now() + kGrace;
      return;
    }
  }
  cancel(id);
}

void Jobs::cancel_abandoned() {
  std::vector<std::string> ids;
  {
    const std::lock_guard guard(mutex_);
    const Clock::time_point now = Clock::now();
    std::erase_if(abandoned_, [&](const auto& entry) {
      if (entry.second > now) return false;
      ids.push_back(entry.first);
      return true;
    });
  }
  for (const std::string& id : ids) {
    if (store_.find(id)) cancel(id);
  }
}

Jobs::Attendance::Attendance(Jobs& jobs, std::string id) : jobs_(jobs), id_(std::move(id)) {
  const std::lock_guard guard(jobs_.mutex_);
  ++jobs_.attended_[id_];
  jobs_.abandoned_.erase(id_);
}

Jobs::Attendance::~Attendance() {
  {
    const std::lock_guard guard(jobs_.mutex_);
    if (--jobs_.attended_[id_] == 0) jobs_.attended_.erase(id_);
  }
  if (is_over_) return;
  try {
    jobs_.abandon(id_);
  } catch (const std::exception&) {
    // The disk fails: the job is made for nobody.
  }
}

void Jobs::remove(const std::string& id) {
  cancel(id);
  {
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [&] { return !running_ || running_->job.id != id; });
  }
  store_.remove(id);
  changed();
}

std::string Jobs::picture(const std::string& id, std::size_t n) const {
  const std::optional<Job> job = store_.find(id);
  if (!job) throw no_job(id);
  if (n >= job->pictures.size()) {
    throw HttpError(404, "not_found",
                    fmt::format("job {} has {} pictures so far", id, job->pictures.size()));
  }
  return read_small_file(store_.folder_of(id) / fmt::format("{}.png", n), 1U << 30U);
}

std::optional<Preview> Jobs::preview(const std::string& id) const {
  const std::lock_guard guard(mutex_);
  return running_ && running_->job.id == id ? running_->preview : std::nullopt;
}

void Jobs::do_between(const std::function<bool()>& client_left,
                      std::function<void(std::stop_token)> work) {
  const auto task = std::make_shared<Task>();
  task->work = std::move(work);
  std::unique_lock guard(mutex_);
  if (stopping_) throw HttpError(503, "shutting_down", "the service is about to end");
  tasks_.push_back(task);
  ++changes_;
  changed_.notify_all();
  while (!task->done) {
    changed_.wait_for(guard, std::chrono::milliseconds(200));
    if (task->done || !client_left()) continue;
    task->stop.request_stop();
    const auto waiting = std::find(tasks_.begin(), tasks_.end(), task);
    if (waiting == tasks_.end()) continue;  // at work: it sees the stop
    tasks_.erase(waiting);
    throw HttpError(499, "cancelled", "the client left");
  }
  if (task->error) std::rethrow_exception(task->error);
}

/// Does what waits, and tells whether there was something.
bool Jobs::run_tasks() {
  cancel_abandoned();
  bool any = false;
  std::unique_lock guard(mutex_);
  while (true) {
    const auto next = std::find_if(tasks_.begin(), tasks_.end(), [&](const auto& task) {
      return !running_ || !task->after_the_job;
    });
    if (next == tasks_.end()) return any;
    const std::shared_ptr<Task> task = *next;
    tasks_.erase(next);
    guard.unlock();
    any = true;
    bool later = false;
    try {
      task->work(task->stop.get_token());
    } catch (const Error& error) {
      later = error.kind() == ErrorKind::kMemory;
      task->error = std::current_exception();
    } catch (...) {
      task->error = std::current_exception();
    }
    guard.lock();
    if (later && running_ && !stopping_) {
      task->error = nullptr;
      task->after_the_job = true;
      tasks_.push_back(task);
    } else {
      task->done = true;
      changed_.notify_all();
    }
  }
}

void Jobs::work() {
  while (true) {
    try {
      if (!work_once()) return;
    } catch (const std::exception&) {
      // The disk fails. Requests are told so; the queue waits until it works again.
      std::unique_lock guard(mutex_);
      changed_.wait_for(guard, std::chrono::seconds(1), [&] { return stopping_; });
      if (stopping_ && tasks_.empty()) return;
    }
  }
}

/// Does what is next, or waits for it; false when it is time to end.
bool Jobs::work_once() {
  run_tasks();
  prune_when_due();
  std::optional<Job> job;
  {
    std::unique_lock guard(mutex_);
    if (stopping_ && tasks_.empty()) return false;
    if (!stopping_) job = store_.next();
    if (job) {
      job->state = JobState::kRunning;
      if (!job->started) job->started = std::chrono::system_clock::now();
      running_ = Running{};
      running_->job = *job;
      running_->progress.stage = "face";
    } else if (tasks_.empty()) {
      const std::uint64_t seen = changes_;
      const bool woken = changed_.wait_for(guard, options_.release_after,
                                           [&] { return changes_ != seen || stopping_; });
      guard.unlock();
      if (!woken) engine_.release();
    }
  }
  if (job) run_job(std::move(*job));
  return true;
}

void Jobs::prune_when_due() {
  if (Clock::now() < prune_at_) return;
  prune_at_ = Clock::now() + kPruneEvery;
  store_.prune(std::chrono::system_clock::now() - options_.keep_age, options_.keep_count);
}

void Jobs::forget_photos(const Job& job) {
  if (job.keep_photo) return;
  const fs::path folder = store_.folder_of(job.id);
  for (const char* photo : {kPhoto, kPose}) {
    remove_file(folder / photo);
    remove_file(found_in(folder, photo));
  }
}

/// Until it is written, the job is not at its end: taken from the queue once more it would begin
/// anew.
void Jobs::write_end(const Job& job) {
  while (true) {
    try {
      store_.update(job);
      return;
    } catch (const Error&) {
      std::unique_lock guard(mutex_);
      if (changed_.wait_for(guard, std::chrono::seconds(1), [&] { return stopping_; })) return;
    }
  }
}

void Jobs::run_job(Job job) {
  changed();
  const auto fails = [&](std::string code, std::string text) {
    job.state = JobState::kFailed;
    job.error = {std::move(code), std::move(text)};
  };
  bool goes_on_later = false;
  try {
    if (++job.begun > options_.begin_limit) {
      fail(ErrorKind::kInternal, "the program ended {} times while it made this job",
           options_.begin_limit);
    }
    store_.update(job);
    make_pictures(job);
    job.state = JobState::kDone;
  } catch (const Error& error) {
    const std::lock_guard guard(mutex_);
    if (error.kind() != ErrorKind::kCancelled) {
      fails(std::string(name_of(error.kind())), error.what());
    } else if (running_->cancelled) {
      job.state = JobState::kCancelled;
    } else {
      goes_on_later = true;
    }
  } catch (const std::bad_alloc&) {
    fails("memory", "the system has no more memory to give");
  } catch (const std::exception& error) {
    fails("internal", error.what());
  }
  if (goes_on_later) {
    --job.begun;
    write_end(job);
  } else {
    job.ended = std::chrono::system_clock::now();
    write_end(job);
    try {
      remove_file(store_.folder_of(job.id) / kSavedRun);
      forget_photos(job);
      prune_at_ = {};
    } catch (const Error&) {
      // The disk fails: the next start looks after them.
    }
  }
  {
    const std::lock_guard guard(mutex_);
    running_.reset();
    if (job.state == JobState::kDone) ++counts_.done;
    if (job.state == JobState::kFailed) ++counts_.failed;
    if (job.state == JobState::kCancelled) ++counts_.cancelled;
  }
  changed();
}

void Jobs::set_stage(const std::string& stage) {
  {
    const std::lock_guard guard(mutex_);
    running_->progress.stage = stage;
  }
  changed();
}

Identity Jobs::person_of(const Job& job, const std::string& name, int face) {
  const fs::path folder = store_.folder_of(job.id);
  const fs::path found = found_in(folder, name);
  if (fs::exists(found)) return read_identity(found);
  const Sight sight = engine_.look(*open_file(folder / name), running_->stop.get_token());
  const std::string what = name == kPose ? "the pose photo" : "the photo";
  if (sight.faces.empty()) fail_without_face(what);
  if (face >= static_cast<int>(sight.faces.size())) {
    fail(ErrorKind::kArgument, "face: {} shows {} faces, face {} came (they count from 0)", what,
         sight.faces.size(), face);
  }
  const Identity identity = identity_of(sight.faces[static_cast<std::size_t>(face)], sight.frame);
  write_identity(identity, found);
  return identity;
}

void Jobs::make_pictures(Job& job) {
  const Identity person = person_of(job, kPhoto, job.face);
  const fs::path folder = store_.folder_of(job.id);
  const bool posed = fs::exists(folder / kPose) || fs::exists(found_in(folder, kPose));
  const Identity stands = posed ? person_of(job, kPose, 0) : person;
  const ModelFacts& model = engine_.facts();
  Request request = request_of(job.settings, model.native_guidance);
  SizeChoice choice;
  if (request.width != 0) choice = {SizeRule::kFixed, {request.width, request.height}};
  const Size size = picture_size(choice, stands.image_size, model.native_side);
  request.width = size.w;
  request.height = size.h;
  const PlanAnswer plan = engine_.plan(request);
  if (!plan.fits) throw Error(ErrorKind::kMemory, *plan.refusal);
  if (!job.settings.seed) job.settings.seed = random_seed();
  if (!job.settings.guidance) job.settings.guidance = model.native_guidance;
  job.settings.width = size.w;
  job.settings.height = size.h;
  store_.update(job);
  const auto left =
      static_cast<double>(job.settings.count) - static_cast<double>(job.pictures.size());
  {
    const std::lock_guard guard(mutex_);
    running_->job = job;
    running_->progress.planned_bytes = plan.peak_bytes;
    running_->progress.seconds_planned = plan.seconds * left;
    running_->progress.seconds_left = plan.seconds * left;
  }
  const Keypoints keypoints = scale_keypoints(stands, size);
  while (static_cast<int>(job.pictures.size()) < job.settings.count) {
    request.seed = *job.settings.seed + job.pictures.size();
    make_picture(job, request, person, keypoints);
  }
}

void Jobs::make_picture(Job& job, Request request, const Identity& person,
                        const Keypoints& keypoints) {
  const std::stop_token stop = running_->stop.get_token();
  const fs::path folder = store_.folder_of(job.id);
  const fs::path saved = folder / kSavedRun;
  set_stage("reading");
  engine_.colours(stop);
  std::optional<Generation> generation;
  if (fs::exists(saved)) {
    try {
      const SavedRun run = load_saved_run(saved);
      if (run.request.seed == request.seed) generation = engine_.pipeline().resume(run, stop);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kCancelled) throw;
      // Made by other models or settings of the service: begun anew.
    }
  }
  if (!generation)
    generation = engine_.pipeline().start(request, person.embedding, keypoints, stop);
  steps(*generation, {request.width, request.height}, saved);
  set_stage("painting");
  const Image image = generation->decode(stop);
  generation.reset();
  write_image(image, folder / fmt::format("{}.png", job.pictures.size()),
              engine_.text_for(request));
  job.pictures.push_back({image.size(), request.seed});
  store_.update(job);
  remove_file(saved);
  {
    const std::lock_guard guard(mutex_);
    running_->job = job;
    running_->preview.reset();
    running_->progress.step = 0;
    ++counts_.pictures;
  }
  changed();
}

void Jobs::steps(Generation& generation, Size size, const fs::path& saved) {
  const std::stop_token stop = running_->stop.get_token();
  const double planned = running_->progress.seconds_planned.value_or(0);
  const Clock::time_point begin = Clock::now();
  const int first = generation.step();
  Clock::time_point saved_at = begin, shown_at{};
  {
    const std::lock_guard guard(mutex_);
    running_->progress.stage = "steps";
    running_->progress.step = first;
  }
  changed();
  try {
    while (true) {
      const Clock::time_point step_begin = Clock::now();
      if (!generation.next(stop)) break;
      const int done = generation.step() - first;
      const int left = generation.steps() - generation.step();
      {
        const std::lock_guard guard(mutex_);
        running_->progress.step = generation.step();
        const double step_seconds = seconds_since(begin) / done;
        const auto more = static_cast<double>(running_->job.settings.count) -
                          static_cast<double>(running_->job.pictures.size()) - 1;
        const double pictures = more + 1;
        running_->progress.seconds_left =
            left * step_seconds +
            more * std::max(planned / pictures, generation.steps() * step_seconds);
        ++counts_.steps;
        counts_.step_seconds += seconds_since(step_begin);
      }
      if (left > 0 && Clock::now() - shown_at >= kPreviewEvery) {
        show(generation, {size.w / 8, size.h / 8});
        shown_at = Clock::now();
      }
      changed();
      if (left > 0 && Clock::now() - saved_at >= options_.save_every) {
        save(generation.saved(), saved);
        saved_at = Clock::now();
      }
      run_tasks();
    }
  } catch (const Error& error) {
    // Of a run that its user ended nothing is kept.
    const auto by_user = [&] {
      const std::lock_guard guard(mutex_);
      return running_->cancelled;
    };
    if (error.kind() == ErrorKind::kCancelled && !by_user() && generation.step() > 0)
      save(generation.saved(), saved);
    throw;
  }
}

void Jobs::show(const Generation& generation, Size size) {
  const Image image = engine_.colours().picture(generation.predicted(), size);
  const std::vector<std::byte> bytes = encode(image, ImageFormat::kJpeg);
  const std::lock_guard guard(mutex_);
  running_->preview = {running_->job.pictures.size(), generation.step(),
                       std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
}

}  // namespace semblance::service
