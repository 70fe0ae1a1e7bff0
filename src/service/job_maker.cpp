#include "service/job_maker.h"

#include <algorithm>

#include "app/parameters.h"
#include "core/error.h"
#include "core/stop.h"
#include "image/encode.h"
#include "memory/file.h"
#include "pipeline/picture_sampler.h"
#include "service/log.h"

namespace semblance::service {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPreviewEvery{200};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

void remove_file(const fs::path& path) {
  std::error_code ignored;
  fs::remove(path, ignored);
}

std::stop_token token_of(const Board& board) {
  const std::lock_guard guard(board.mutex);
  return board.running->stop.get_token();
}

}  // namespace

JobMaker::JobMaker(Engine& engine, Store& store, Board& board, const Options& options,
                   std::function<void()> between, Job& job)
    : engine_(engine),
      store_(store),
      board_(board),
      options_(options),
      between_(std::move(between)),
      job_(job),
      files_(store.folder_of(job.id)),
      stop_(token_of(board)),
      patience_(options.patience) {}

void JobMaker::make() {
  count_start();
  const Identity person = patiently([&] { return person_of("photo", job_.face); });
  const Identity stands = patiently([&] { return person_in_pose(person); });
  const ModelFacts& model = engine_.facts();
  Request request = request_of(job_.settings, model.native_guidance);
  const Size size = size_of(job_.settings, stands.image_size, model.native_side);
  request.width = size.w;
  request.height = size.h;
  settle(request);
  request.seed = job_.settings.seed;
  const Keypoints keypoints = scale_keypoints(stands, size);
  while (static_cast<int>(job_.pictures.size()) < job_.settings.count) {
    make_picture(next_picture(request), person, keypoints);
  }
}

/// A job with which the program ends again and again is given up, but not while it comes further.
void JobMaker::count_start() {
  const JobGain now = patiently([&] { return gain(); });
  if (now > job_.gain) {
    job_.gain = now;
    job_.begun = 0;
  }
  if (++job_.begun > options_.begin_limit) {
    fail(ErrorKind::kInternal, "the program ended {} times while it made this job",
         options_.begin_limit);
  }
  patiently([&] { store_.update(job_); });
}

JobGain JobMaker::gain() const {
  JobGain gain{.pictures = static_cast<int>(job_.pictures.size())};
  if (!job_.settings.seed || !is_there(files_.saved_run())) return gain;
  try {
    const SavedRun run = load_saved_run(files_.saved_run());
    if (is_same_picture(run.request, next_picture(job_.settings)))
      gain.step = std::min(run.step, kMostJobSteps);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kDevice) throw;
    // A damaged one: nothing is gained.
  }
  return gain;
}

Request JobMaker::next_picture(const Request& first) const {
  return nth_picture(first, static_cast<int>(job_.pictures.size()), job_.settings.count);
}

/// The face in the part of the request, "photo" or "pose".
Identity JobMaker::person_of(const std::string& part, int face) {
  const bool is_pose = part == "pose";
  try {
    return person_in(is_pose ? files_.pose() : files_.photo(),
                     is_pose ? "the pose photo" : "the photo", face);
  } catch (const Error& error) {
    const bool is_its = error.kind() != ErrorKind::kDevice &&
                        error.kind() != ErrorKind::kCancelled &&
                        error.kind() != ErrorKind::kInternal;
    if (is_its) throw PhotoError(part, error);
    throw;
  }
}

Identity JobMaker::person_in(const fs::path& photo, const std::string& what, int face) {
  const fs::path found = JobFiles::face_in(photo);
  if (is_there(found)) return read_identity(found);
  const Sight sight = engine_.look(*open_file(photo), stop_);
  const std::vector<Face>& faces = sight.found.faces;
  if (faces.empty()) fail_without_face(what, sight.found);
  if (face >= static_cast<int>(faces.size())) {
    fail(ErrorKind::kArgument, "face: {} shows {} faces, face {} came (they count from 0)", what,
         faces.size(), face);
  }
  const Identity identity = identity_of(faces[static_cast<std::size_t>(face)], sight.frame);
  write_identity(identity, found);
  return identity;
}

Identity JobMaker::person_in_pose(const Identity& person) {
  const fs::path pose = files_.pose();
  const bool posed = is_there(pose) || is_there(JobFiles::face_in(pose));
  return posed ? person_of("pose", 0) : person;
}

/// Plans the pictures, and writes down what the request left open: after a crash it must be the
/// same.
void JobMaker::settle(const Request& request) {
  job_.warnings = patiently([&] { return engine_.pipeline(stop_).warnings(request, stop_); });
  const PlanAnswer plan = patiently([&] { return engine_.plan(request, stop_); });
  if (!plan.fits) throw Error(ErrorKind::kMemory, *plan.refusal);
  if (!job_.settings.seed) job_.settings.seed = random_seed();
  if (!job_.settings.guidance) job_.settings.guidance = request.guidance;
  job_.settings.width = request.width;
  job_.settings.height = request.height;
  patiently([&] { store_.update(job_); });
  const auto left =
      static_cast<double>(job_.settings.count) - static_cast<double>(job_.pictures.size());
  const std::lock_guard guard(board_.mutex);
  board_.running->job = job_;
  board_.running->progress.planned_bytes = plan.peak_bytes;
  board_.running->progress.seconds_planned = plan.seconds * left;
  board_.running->progress.seconds_left = plan.seconds * left;
}

std::optional<Generation> JobMaker::saved_generation(const Request& request) {
  if (!is_there(files_.saved_run())) return std::nullopt;
  try {
    const SavedRun run = load_saved_run(files_.saved_run());
    if (is_same_picture(run.request, request)) return engine_.pipeline(stop_).resume(run, stop_);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kCancelled || error.kind() == ErrorKind::kDevice) throw;
    // Made by other models or settings of the service: begun anew.
  }
  return std::nullopt;
}

void JobMaker::make_picture(Request request, const Identity& person, const Keypoints& keypoints) {
  set_stage("reading");
  patiently([&] { engine_.colours(stop_); });
  std::optional<Generation> generation = patiently([&] {
    std::optional<Generation> saved = saved_generation(request);
    if (!saved) saved = engine_.pipeline(stop_).start(request, person.embedding, keypoints, stop_);
    return saved;
  });
  make_steps(*generation, {request.width, request.height});
  set_stage("painting");
  const Image image = patiently([&] { return generation->decode(stop_); });
  generation.reset();
  patiently([&] {
    write_image(image, files_.picture(job_.pictures.size()),
                engine_.text_for(request, job_.warnings), stop_);
    sync_folder(files_.folder());
  });
  job_.pictures.push_back({image.size(), request.seed.value()});
  patiently([&] { store_.update(job_); });
  remove_file(files_.saved_run());
  board_.change([&] {
    board_.running->job = job_;
    board_.running->preview.reset();
    board_.running->progress.step = 0;
    ++board_.counts.pictures;
  });
}

void JobMaker::make_steps(Generation& generation, Size size) {
  const Clock::time_point begin = Clock::now();
  const int first = generation.step();
  // After a crash the first step is saved at once, so that it counts as gained.
  Clock::time_point save_at = job_.begun > 1 ? begin : begin + options_.save_every;
  Clock::time_point shown_at{};
  board_.change([&] {
    board_.running->progress.stage = "steps";
    board_.running->progress.step = first;
    board_.running->progress.steps = generation.steps();
  });
  try {
    while (true) {
      const Clock::time_point step_begin = Clock::now();
      if (!patiently([&] { return generation.next(stop_); })) break;
      tell_step(generation, first, seconds_since(begin), seconds_since(step_begin));
      const bool is_last = generation.step() == generation.steps();
      if (!is_last && Clock::now() - shown_at >= kPreviewEvery) {
        show(generation, {size.w / 8, size.h / 8});
        shown_at = Clock::now();
      }
      board_.changed();
      if (Clock::now() >= save_at) {
        keep_steps(generation);
        save_at = Clock::now() + options_.save_every;
      }
      between_();
    }
  } catch (const Error& error) {
    // Of a run that its user ended nothing is kept.
    const auto by_user = [&] {
      const std::lock_guard guard(board_.mutex);
      return board_.running->cancelled;
    };
    if (error.kind() == ErrorKind::kCancelled && !by_user() && generation.step() > 0)
      keep_steps(generation);
    throw;
  }
}

/// `seconds` are those of all steps since `first`, `step_seconds` those of the last one.
void JobMaker::tell_step(const Generation& generation, int first, double seconds,
                         double step_seconds) {
  const int left = generation.steps() - generation.step();
  const double mean = seconds / (generation.step() - first);
  const std::lock_guard guard(board_.mutex);
  RunningJob& running = *board_.running;
  running.progress.step = generation.step();
  const double pictures =
      static_cast<double>(job_.settings.count) - static_cast<double>(running.job.pictures.size());
  const double planned = running.progress.seconds_planned.value_or(0) / pictures;
  running.progress.seconds_left =
      left * mean + (pictures - 1) * std::max(planned, generation.steps() * mean);
  ++board_.counts.steps;
  board_.counts.step_seconds += step_seconds;
}

void JobMaker::show(const Generation& generation, Size size) {
  const Image image = engine_.colours().picture(generation.predicted(), size);
  const std::vector<std::byte> bytes = encode(image, ImageFormat::kJpeg);
  const std::lock_guard guard(board_.mutex);
  board_.running->preview = {
      job_.pictures.size(), generation.step(),
      std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
}

/// For the case of a crash: a disk without room for it is no reason to stop.
void JobMaker::keep_steps(const Generation& generation) const {
  try {
    save(generation.saved(), files_.saved_run());
  } catch (const Error&) {
    // The steps live on in memory, and the picture will need the disk.
  }
}

void JobMaker::set_stage(const std::string& stage) {
  board_.change([&] { board_.running->progress.stage = stage; });
}

void JobMaker::wait_for_device(const Error& error) {
  const auto pause = patience_.next();
  if (!pause) throw Error(error);
  Log::stderr_log().line("device error", "job " + job_.id, error.what());
  board_.change([&] { board_.running->progress.waiting = {error.what(), patience_.tries()}; });
  const Clock::time_point end = Clock::now() + *pause;
  while (true) {
    check_stop(stop_);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0) return;
    const std::uint64_t seen = board_.changes();
    between_();
    std::unique_lock guard(board_.mutex);
    board_.wait_for(guard, left,
                    [&] { return board_.changes() != seen || stop_.stop_requested(); });
  }
}

void JobMaker::went_on() {
  if (patience_.tries() == 0) return;
  patience_.reset();
  board_.change([&] { board_.running->progress.waiting.reset(); });
}

}  // namespace semblance::service
