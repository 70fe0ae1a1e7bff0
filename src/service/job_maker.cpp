#include "service/job_maker.h"

#include <algorithm>

#include "app/face_pass.h"
#include "app/face_view.h"
#include "app/parameters.h"
#include "core/error.h"
#include "core/stop.h"
#include "face/likeness.h"
#include "image/encode.h"
#include "image/resize.h"
#include "memory/file.h"
#include "pipeline/hires.h"
#include "pipeline/picture_sampler.h"
#include "service/log.h"

namespace semblance::service {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPreviewEvery{200};
constexpr int kSmallSide = 256;  // the most of a small picture's longer side
constexpr int kSmallQuality = 80;

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

/// Returns look()'s result; an error that the photo causes becomes a PhotoError of this part.
template <typename F>
auto for_photo(const std::string& part, F&& look) {
  try {
    return look();
  } catch (const Error& error) {
    const bool is_photos_fault = error.kind() != ErrorKind::kDevice &&
                                 error.kind() != ErrorKind::kCancelled &&
                                 error.kind() != ErrorKind::kInternal;
    if (is_photos_fault) throw PhotoError(part, error);
    throw;
  }
}

void write_small(const Image& image, const fs::path& path) {
  const Size size = image.size();
  const int longer = std::max(size.w, size.h);
  const auto scaled = [&](int side) { return std::max(1, side * kSmallSide / longer); };
  const bool is_larger = longer > kSmallSide;
  OutputFile file(path);
  file.write(is_larger ? encode(resize(image, {scaled(size.w), scaled(size.h)}, Filter::kBilinear),
                                ImageFormat::kWebp, {}, kSmallQuality)
                       : encode(image, ImageFormat::kWebp, {}, kSmallQuality));
  file.commit();
}

std::stop_token token_of(const Board& board) {
  const std::lock_guard guard(board.mutex);
  return board.running->stop.get_token();
}

}  // namespace

JobMaker::JobMaker(Engine& engine, Store& store, Board& board, std::function<void()> between,
                   Job& job)
    : engine_(engine),
      store_(store),
      board_(board),
      between_(std::move(between)),
      job_(job),
      files_(store.folder_of(job.id)),
      stop_(token_of(board)),
      patience_(board.options.patience) {}

void JobMaker::make() {
  count_start();
  const std::vector<Identity> everyone = patiently([&] { return people_in_photos(); });
  initial_ = patiently([&] { return initial_picture(); });
  const ModelFacts& model = engine_.facts();
  Request request = request_of(job_.request, model.defaults);
  request.photos.clear();
  for (const Identity& person : everyone) request.photos.push_back(person.photos());
  request.has_mask = initial_ && (initial_->has_mask() || request.extends());
  request.has_alpha = initial_ && initial_->has_alpha();
  const Size size = patiently([&] { return size_for(request, everyone.front()); });
  request.width = size.w;
  request.height = size.h;
  if (!request.seed) request.seed = random_seed();
  const std::vector<Request> requests = patiently([&] { return requests_of_pictures(request); });
  settle(requests);
  const People people = patiently([&] { return placed(request, everyone); });
  while (job_.made() < job_.to_make())
    make_picture(requests[static_cast<std::size_t>(job_.made())], people);
}

/// `person`: the one of a job without several people.
Size JobMaker::size_for(const Request& request, const Identity& person) {
  const int native = engine_.facts().native_side;
  if (initial_) return size_from(*initial_, request, native);
  if (job_.request.people.empty())
    return size_of(job_.request, person_in_pose(person).image_size, native);
  const Size frame = is_posed() ? person_in_pose(person).image_size : Size{native, native};
  return size_of(job_.request, frame, native);
}

/// Where everyone is in the picture. `request` is complete.
People JobMaker::placed(const Request& request, const std::vector<Identity>& everyone) {
  const Size size{request.width, request.height};
  if (request.people.empty()) {
    const Identity stands = person_in_pose(everyone.front());
    const bool is_in_initial = initial_ && !is_posed();
    const Keypoints place =
        is_in_initial
            ? for_photo("mask", [&] { return initial_->keypoints(stands, request, stop_); })
            : scale_keypoints(stands, size);
    const Keypoints keypoints = seen_keypoints(everyone.front(), place, request);
    return {.embeddings = everyone.front().embeddings(),
            .keypoints = {keypoints},
            .face_boxes = {face_box(stands, keypoints)}};
  }
  std::vector<ReadPerson> people;
  std::size_t masks = 0;
  for (std::size_t i = 0; i < everyone.size(); ++i) {
    people.push_back({.identity = everyone[i]});
    if (parse_person(request.people[i]).is_mask_sent)
      people.back().mask = open_file(files_.region(masks++));
  }
  return place_people(request, people, posed_faces(request), stop_);
}

/// All faces of the pose photo, or else of the picture to start from.
std::optional<PosedFaces> JobMaker::posed_faces(const Request& request) {
  const bool is_in_initial = !is_posed();
  if (is_in_initial && !initial_) return std::nullopt;
  const std::string what = is_in_initial ? "the picture to start from" : "the pose photo";
  return for_photo(is_in_initial ? "init" : "pose", [&]() -> std::optional<PosedFaces> {
    const PhotoFaces sight =
        engine_.look(*open_file(is_in_initial ? files_.initial() : files_.pose()), stop_);
    if (sight.found.faces.empty()) fail_without_face(what, sight.found);
    PosedFaces pose{.photo = what};
    for (const Face& face : sight.found.faces) pose.faces.push_back(identity_of(face, sight.frame));
    pose.keypoints = [this, is_in_initial, request](const Identity& face) {
      return is_in_initial ? initial_->keypoints(face, request, stop_)
                           : scale_keypoints(face, {request.width, request.height});
    };
    return pose;
  });
}

/// Gives up a job that ends the program again and again, unless it makes progress.
void JobMaker::count_start() {
  const JobGain now = patiently([&] { return gain(); });
  if (now > job_.gain) {
    job_.gain = now;
    job_.begun = 0;
  }
  if (++job_.begun > board_.options.begin_limit) {
    fail(ErrorKind::kInternal, "the program ended {} times while making this job",
         board_.options.begin_limit);
  }
  patiently([&] { store_.update(job_); });
}

JobGain JobMaker::gain() const {
  JobGain gain{.pictures = job_.made()};
  if (!job_.request.seed || !is_there(files_.saved_run())) return gain;
  try {
    const SavedRun run = load_saved_run(files_.saved_run());
    if (is_same_picture(run.request, next_picture(job_.request)))
      gain.step =
          std::min(evaluations_before(run.request, run.pass, engine_.facts().scheduler) + run.step,
                   kMostJobSteps);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kDevice) throw;
    // Damaged: it counts as no gain.
  }
  return gain;
}

Request JobMaker::next_picture(const Request& first) const {
  return nth_picture(first, job_.made(), job_.to_make());
}

Identity JobMaker::person_in(const fs::path& photo, const std::string& what, int face) {
  const fs::path found = JobFiles::face_in(photo);
  if (is_there(found)) return read_identity(found);
  const PhotoFaces sight = engine_.look(*open_file(photo), stop_);
  const std::vector<Face>& faces = sight.found.faces;
  if (faces.empty()) fail_without_face(what, sight.found);
  if (face >= static_cast<int>(faces.size())) {
    fail(ErrorKind::kArgument, "face: {} shows {} faces, got face {} (counted from 0)", what,
         faces.size(), face);
  }
  const Identity identity = identity_of(faces[static_cast<std::size_t>(face)], sight.frame);
  write_identity(identity, found);
  return identity;
}

/// The person in the photos from the first, counted from 0, on, as far as there are any.
Identity JobMaker::person_in_photos(std::size_t first, std::size_t count) {
  return for_photo("photo", [&] {
    std::vector<Identity> photos;
    std::vector<std::string> names;
    for (std::size_t i = first; i < first + count; ++i) {
      const fs::path photo = files_.photo(i);
      if (!is_there(photo) && !is_there(JobFiles::face_in(photo))) break;
      names.push_back(photo_name(i));
      photos.push_back(person_in(photo, names.back(), i == 0 ? job_.request.face : 0));
    }
    if (photos.empty()) fail(ErrorKind::kMissing, "the photo is missing");
    return join_identities(photos, names);
  });
}

/// Each person of the request, or the only one.
std::vector<Identity> JobMaker::people_in_photos() {
  if (job_.request.people.empty()) return {person_in_photos(0, kMostPhotos)};
  std::vector<Identity> everyone;
  std::size_t first = 0;
  for (const std::string& text : job_.request.people) {
    const auto count = static_cast<std::size_t>(parse_person(text).photos);
    everyone.push_back(person_in_photos(first, count));
    first += count;
  }
  return everyone;
}

/// Whose face's place the picture has: the pose's, or else that of the picture to start from.
Identity JobMaker::person_in_pose(const Identity& person) {
  if (is_posed())
    return for_photo("pose", [&] { return person_in(files_.pose(), "the pose photo", 0); });
  if (!initial_) return person;
  return for_photo("init",
                   [&] { return person_in(files_.initial(), "the picture to start from", 0); });
}

bool JobMaker::is_posed() const {
  return is_there(files_.pose()) || is_there(JobFiles::face_in(files_.pose()));
}

std::optional<InitialPicture> JobMaker::initial_picture() const {
  if (!is_there(files_.initial())) return std::nullopt;
  if (!is_there(files_.mask())) return InitialPicture(open_file(files_.initial()));
  return for_photo("mask", [&] {
    return InitialPicture(open_file(files_.initial()), open_file(files_.mask()));
  });
}

ControlPictures JobMaker::control_pictures(const Request& request) {
  if (request.controls.empty()) return {};
  return for_photo(std::string(kControlPart), [&]() -> ControlPictures {
    auto pictures = std::make_shared<std::vector<Image>>();
    for (const ControlChoice& choice : parse_controls(request.controls)) {
      pictures->push_back(engine_.open_control(*open_file(files_.control(pictures->size())),
                                               request, choice.prepare,
                                               initial_ ? &*initial_ : nullptr, stop_));
    }
    return pictures;
  });
}

/// With their seeds, and the prompts as these draw them.
std::vector<Request> JobMaker::requests_of_pictures(const Request& first) const {
  const int count = job_.to_make();
  std::vector<Request> requests;
  requests.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) requests.push_back(engine_.drawn(nth_picture(first, i, count)));
  return requests;
}

/// What the pictures will not have, each once.
std::vector<Warning> JobMaker::warnings_of(const std::vector<Request>& requests) {
  std::vector<Warning> all;
  for (const Request& request : requests) {
    for (const Warning& warning : engine_.pipeline(stop_).warnings(request, stop_)) {
      if (std::ranges::find(all, warning) == all.end()) all.push_back(warning);
    }
  }
  return all;
}

/// Plans the pictures and stores what the request left open: it must be the same after a crash.
void JobMaker::settle(const std::vector<Request>& requests) {
  job_.warnings = patiently([&] { return warnings_of(requests); });
  const Request request =
      patiently([&] { return engine_.pipeline(stop_).most_demanding(requests); });
  const PlanAnswer plan = patiently([&] { return engine_.plan(request, stop_); });
  if (!plan.fits) throw Error(ErrorKind::kMemory, *plan.refusal);
  measures_likeness_ = plan.has_likeness;
  if (job_.request.best_of > 1 && !measures_likeness_) {
    fail(ErrorKind::kMemory,
         "cannot take {}: the face models that measure the likeness do not fit into the budget",
         parameters::kBestOf.name);
  }
  if (!job_.request.seed) job_.request.seed = requests.front().seed;
  if (!job_.request.guidance) job_.request.guidance = request.guidance;
  job_.request.width = request.width;
  job_.request.height = request.height;
  patiently([&] { store_.update(job_); });
  const auto left = static_cast<double>(job_.to_make() - job_.made());
  const std::lock_guard guard(board_.mutex);
  publish();
  Progress& progress = board_.running->job.progress;
  progress.planned_bytes = plan.peak_bytes;
  progress.seconds_planned = plan.seconds * left;
  progress.seconds_left = plan.seconds * left;
}

/// Shows the job on the board. Its progress is kept there alone. Call with the board's mutex.
void JobMaker::publish() {
  Progress progress = std::move(board_.running->job.progress);
  board_.running->job = job_;
  board_.running->job.progress = std::move(progress);
}

std::optional<Generation> JobMaker::saved_generation(const Request& request) {
  if (!is_there(files_.saved_run())) return std::nullopt;
  try {
    const SavedRun run = load_saved_run(files_.saved_run());
    if (is_same_picture(run.request, request)) return engine_.pipeline(stop_).resume(run, stop_);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kCancelled || error.kind() == ErrorKind::kDevice) throw;
    // Saved with other models or settings of the service: start over.
  }
  return std::nullopt;
}

void JobMaker::make_picture(Request request, const People& people) {
  set_stage("reading");
  patiently([&] { engine_.colours(stop_); });
  std::optional<Generation> generation = patiently([&] {
    std::optional<Generation> saved = saved_generation(request);
    if (saved) return saved;
    StartPicture from;
    if (initial_) from = engine_.open_initial(*initial_, request, stop_);
    saved = engine_.pipeline(stop_).start(request, people, stop_, initial_ ? &from : nullptr,
                                          control_pictures(request));
    return saved;
  });
  make_steps(*generation);
  const bool is_whole = generation->step() == generation->steps();
  Image image = painted(std::move(generation));
  JobPicture made{{}, request.seed.value()};
  if (measures_likeness_) {
    const auto find = [&] { return engine_.faces_of_result(image, request.photos.size(), stop_); };
    FoundFaces found = patiently(find);
    if (is_whole && refine(image, found, request, people)) found = patiently(find);
    made.likeness = likeness(found.faces, people.embeddings, request.photos);
  }
  if (request.has_mask) image = patiently([&] { return initial_->finish(image, request, stop_); });
  made.size = image.size();
  constexpr double kNoFace = -2;  // less than any likeness
  const bool is_kept =
      job_.tried == 0 || made.likeness.value_or(kNoFace) > job_.best.likeness.value_or(kNoFace);
  if (is_kept) {
    patiently([&] {
      write_image(image, files_.picture(job_.pictures.size()),
                  engine_.text_for(request, job_.warnings, made.likeness), stop_);
      write_small(image, files_.small_picture(job_.pictures.size()));
      sync_folder(files_.folder());
    });
    job_.best = made;
  }
  if (++job_.tried == job_.request.best_of) {
    job_.pictures.push_back(job_.best);
    job_.tried = 0;
  }
  patiently([&] { store_.update(job_); });
  remove_file(files_.saved_run());
  board_.change([&] {
    publish();
    board_.running->preview.reset();
    board_.running->job.progress.step = 0;
    ++board_.counts.pictures;
  });
}

/// Makes second passes over the picture's faces, as far as it is to have any and there is room.
bool JobMaker::refine(Image& image, const FoundFaces& found, const Request& request,
                      const People& people) {
  bool is_changed = false;
  Pipeline& pipeline = engine_.pipeline(stop_);
  for (const FaceToRefine& face : faces_to_refine(found, image.size(), request, people)) {
    const FacePass pass = patiently([&] {
      return FacePass(image, face, request, people, engine_.facts().native_side,
                      pipeline.workspace().options().scratch_folder);
    });
    if (!pass.plan(pipeline).fits) continue;
    image = {};
    set_stage("face");
    Generation generation = patiently([&] { return pass.start(pipeline, stop_); });
    make_steps(generation, true);
    set_stage("painting");
    image = patiently([&] { return pass.finish(generation, stop_); });
    is_changed = true;
  }
  return is_changed;
}

/// The picture of the steps that were made: if they were ended early, what they predict.
Image JobMaker::painted(std::optional<Generation> generation) {
  set_stage("painting");
  if (generation->step() == generation->steps())
    return patiently([&] { return generation->decode(stop_); });
  const std::vector<float> latent = generation->predicted();
  const Size size = generation->size();
  generation.reset();  // with its weights
  return patiently([&] { return engine_.pipeline(stop_).decode(latent, size, stop_); });
}

/// A crash does not go on from the steps of a face pass, and the user cannot end them early.
void JobMaker::make_steps(Generation& generation, bool is_face_pass) {
  const Clock::time_point begin = Clock::now();
  const int first = generation.step();
  // After a crash the first step is saved at once, so that it counts as a gain.
  Clock::time_point save_at = job_.begun > 1 ? begin : begin + board_.options.save_every;
  Clock::time_point shown_at{};
  board_.change([&] {
    board_.running->job.progress.stage = "steps";
    board_.running->job.progress.step = first;
    board_.running->job.progress.steps = generation.steps();
    board_.running->ends_picture = false;
  });
  const auto is_ended = [&] {
    const std::lock_guard guard(board_.mutex);
    return !is_face_pass && generation.step() > first && board_.running->ends_picture;
  };
  try {
    while (!is_ended()) {
      const Clock::time_point step_begin = Clock::now();
      if (!patiently([&] { return generation.next(stop_); })) break;
      tell_step(generation, first, seconds_since(begin), seconds_since(step_begin));
      const bool is_last = generation.step() == generation.steps();
      if (!is_last && Clock::now() - shown_at >= kPreviewEvery) {
        const Size size = generation.size();
        show(generation, {size.w / 8, size.h / 8});
        shown_at = Clock::now();
      }
      board_.changed();
      if (!is_face_pass && Clock::now() >= save_at) {
        keep_steps(generation);
        save_at = Clock::now() + board_.options.save_every;
      }
      between_();
    }
  } catch (const Error& error) {
    // Keeps nothing of a run that the user cancelled.
    const auto by_user = [&] {
      const std::lock_guard guard(board_.mutex);
      return board_.running->cancelled;
    };
    if (!is_face_pass && error.kind() == ErrorKind::kCancelled && !by_user() &&
        generation.step() > 0)
      keep_steps(generation);
    throw;
  }
}

/// `seconds`: of all steps since `first`; `step_seconds`: of the last one.
void JobMaker::tell_step(const Generation& generation, int first, double seconds,
                         double step_seconds) {
  const int left = generation.steps() - generation.step();
  const double mean = seconds / (generation.step() - first);
  const std::lock_guard guard(board_.mutex);
  RunningJob& running = *board_.running;
  running.job.progress.step = generation.step();
  const auto pictures = static_cast<double>(running.job.to_make() - running.job.made());
  const double planned = running.job.progress.seconds_planned.value_or(0) / pictures;
  running.job.progress.seconds_left =
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

/// Saves the state in case of a crash; a full disk is no reason to stop.
void JobMaker::keep_steps(const Generation& generation) const {
  try {
    save(generation.saved(), files_.saved_run());
  } catch (const Error&) {
    // The steps are still in memory; writing the picture will report the disk's error.
  }
}

void JobMaker::set_stage(const std::string& stage) {
  board_.change([&] { board_.running->job.progress.stage = stage; });
}

void JobMaker::wait_for_device(const Error& error) {
  const auto pause = patience_.next();
  if (!pause) throw Error(error);
  log_device_error(job_.id, error);
  board_.change([&] { board_.running->job.progress.waiting = {error.what(), patience_.tries()}; });
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
  board_.change([&] { board_.running->job.progress.waiting.reset(); });
}

}  // namespace semblance::service
