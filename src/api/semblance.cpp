// The public API on top of the rooms: only translates types and errors.
#define SEMBLANCE_IMPLEMENTATION
#include "semblance/semblance.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <stop_token>
#include <utility>

#include "api/start_files.h"
#include "app/control_pictures.h"
#include "app/device_choice.h"
#include "app/face_pass.h"
#include "app/face_view.h"
#include "app/initial_picture.h"
#include "app/parameters.h"
#include "app/people.h"
#include "app/picture_prompts.h"
#include "app/planning.h"
#include "app/subject.h"
#include "backend/backends.h"
#include "core/error.h"
#include "core/parallel.h"
#include "face/likeness.h"
#include "image/encode.h"
#include "memory/file.h"
#include "memory/scratch_file.h"
#include "pipeline/pipeline.h"

namespace semblance::v1 {
namespace {

namespace rooms = ::semblance;

ErrorKind public_kind(rooms::ErrorKind kind) {
  switch (kind) {
    case rooms::ErrorKind::kArgument:
      return ErrorKind::kArgument;
    case rooms::ErrorKind::kMissing:
      return ErrorKind::kMissing;
    case rooms::ErrorKind::kCorrupt:
      return ErrorKind::kCorrupt;
    case rooms::ErrorKind::kShape:
      return ErrorKind::kShape;
    case rooms::ErrorKind::kMemory:
      return ErrorKind::kMemory;
    case rooms::ErrorKind::kDevice:
      return ErrorKind::kDevice;
    case rooms::ErrorKind::kCancelled:
      return ErrorKind::kCancelled;
    case rooms::ErrorKind::kInternal:
      return ErrorKind::kInternal;
  }
  return ErrorKind::kInternal;
}

/// Runs f and rethrows its exceptions as the public Error.
template <typename F>
decltype(auto) translated(F&& f) {
  try {
    return f();
  } catch (const rooms::Error& error) {
    throw Error(public_kind(error.kind()), error.what());
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(ErrorKind::kInternal, std::string("internal error: ") + error.what());
  }
}

Person to_person(const rooms::Identity& identity) {
  Person person;
  person.embedding.assign(identity.embedding.begin(), identity.embedding.end());
  for (const rooms::FaceEmbedding& other : identity.others)
    person.other_embeddings.emplace_back(other.begin(), other.end());
  person.keypoints = identity.keypoints;
  person.frame_width = identity.image_size.w;
  person.frame_height = identity.image_size.h;
  person.score = identity.score.value_or(0);
  person.box = identity.box.value_or(rooms::Box{});
  return person;
}

/// Throws rooms::Error(kArgument) for a wrong number of values and for values that are not finite.
rooms::FaceEmbedding to_embedding(std::span<const float> numbers) {
  rooms::FaceEmbedding embedding{};
  if (numbers.size() != embedding.size()) {
    rooms::fail(rooms::ErrorKind::kArgument,
                "cannot take the person: expected an embedding of {} numbers, got {}",
                embedding.size(), numbers.size());
  }
  if (!std::ranges::all_of(numbers, [](float number) { return std::isfinite(number); })) {
    rooms::fail(rooms::ErrorKind::kArgument,
                "cannot take the person: the embedding's numbers must be finite");
  }
  std::ranges::copy(numbers, embedding.begin());
  return embedding;
}

/// Throws rooms::Error(kArgument) for an invalid face.
rooms::Identity to_identity(const Person& person) {
  rooms::Identity identity{.embedding = to_embedding(person.embedding)};
  if (person.other_embeddings.size() >= rooms::kMostPhotos) {
    rooms::fail(rooms::ErrorKind::kArgument,
                "cannot take the person: expected at most {} photos, got {}", rooms::kMostPhotos,
                person.other_embeddings.size() + 1);
  }
  for (const std::vector<float>& other : person.other_embeddings)
    identity.others.push_back(to_embedding(other));
  if (person.frame_width < 1 || person.frame_height < 1) {
    rooms::fail(rooms::ErrorKind::kArgument,
                "cannot take the person: expected a frame of at least 1 x 1 pixels, got {} x {}",
                person.frame_width, person.frame_height);
  }
  rooms::check_keypoints(person.keypoints, "cannot take the person");
  identity.keypoints = person.keypoints;
  identity.image_size = {person.frame_width, person.frame_height};
  identity.score = person.score;
  identity.box = person.box;
  return identity;
}

/// `doing`: "write".
rooms::Image to_image(const Picture& picture, std::string_view doing) {
  rooms::Image image({picture.width, picture.height});
  if (picture.rgb.size() != image.pixels().size()) {
    rooms::fail(rooms::ErrorKind::kArgument,
                "cannot {} the picture: expected {} bytes of rgb for {} x {} pixels, got {}", doing,
                image.pixels().size(), picture.width, picture.height, picture.rgb.size());
  }
  std::copy(picture.rgb.begin(), picture.rgb.end(), image.pixels().begin());
  return image;
}

rooms::ImageText text_of(const Picture& picture) {
  if (picture.parameters.empty()) return {};
  return {{"parameters", picture.parameters}, {"Software", rooms::program_version()}};
}

rooms::ImageFormat room_format(PictureFormat format) {
  switch (format) {
    case PictureFormat::kPng:
      return rooms::ImageFormat::kPng;
    case PictureFormat::kJpeg:
      return rooms::ImageFormat::kJpeg;
    case PictureFormat::kWebp:
      return rooms::ImageFormat::kWebp;
  }
  rooms::fail(rooms::ErrorKind::kArgument,
              "cannot write the picture: expected the format PNG (0), JPEG (1) or WebP (2), got {}",
              static_cast<int>(format));
}

rooms::Request to_request(const Settings& settings, rooms::Size size,
                          const rooms::RequestDefaults& defaults) {
  rooms::Request request;
  // Does not compile if Settings lacks a member of Request.
  rooms::each_parameter([](const rooms::Parameter&, auto& to, const auto& from) { to = from; },
                        request, settings);
  request.width = size.w;
  request.height = size.h;
  return defaults.complete(std::move(request));
}

/// `device`: found_device().
rooms::Workspace::Options workspace_options(const Models& models, const std::string& device) {
  rooms::Workspace::Options options{.meter = rooms::Meter()};
  if (device == "cpu" && models.gpu_memory_bytes > 0) {
    rooms::fail(
        rooms::ErrorKind::kArgument,
        "cannot take gpu_memory_bytes: models are computed on the processor\n  set device to "
        "\"gpu\", or leave it at 0");
  }
  rooms::MemoryRequest of_card;
  if (models.gpu_memory_bytes > 0)
    of_card = {rooms::MemoryRequest::Kind::kBytes, models.gpu_memory_bytes};
  options.device_room = rooms::device_room(rooms::backend_by_name(device), of_card);
  if (models.memory_bytes > 0) options.budget_bytes = models.memory_bytes;
  if (!models.scratch_folder.empty())
    options.scratch_folder = rooms::choose_scratch_folder(models.scratch_folder);
  return options;
}

rooms::Precision room_precision(Precision precision) {
  if (precision == Precision::kF32) return rooms::Precision::kF32;
  return precision == Precision::kBF16 ? rooms::Precision::kBF16 : rooms::Precision::kAuto;
}

}  // namespace

Person Person::join(std::span<const Person> photos) {
  return translated([&] {
    if (photos.empty()) {
      rooms::fail(rooms::ErrorKind::kArgument,
                  "cannot combine the photos: expected at least one, got none");
    }
    std::vector<rooms::Identity> people;
    std::vector<std::string> names;
    for (const Person& photo : photos) {
      people.push_back(to_identity(photo));
      names.push_back("photo " + std::to_string(people.size()));
    }
    return to_person(rooms::join_identities(people, names));
  });
}

double Person::likeness(const Person& other) const {
  return translated([&] { return rooms::likeness(to_identity(*this), to_identity(other)); });
}

Person Person::load(const std::filesystem::path& path) {
  return translated([&] { return to_person(rooms::read_identity(path)); });
}

void Person::save(const std::filesystem::path& path) const {
  translated([&] { rooms::write_identity(to_identity(*this), path); });
}

Person Person::from_json(std::string_view text) {
  return translated([&] { return to_person(rooms::parse_identity("the identity", text)); });
}

std::string Person::to_json() const {
  return translated([&] { return rooms::to_json(to_identity(*this)); });
}

struct FaceFinder::State {
  rooms::SubjectReader reader;

  std::vector<Person> all(const rooms::File& photo);
  Person largest(const rooms::File& photo);
};

std::vector<Person> FaceFinder::State::all(const rooms::File& photo) {
  std::vector<Person> people;
  const rooms::Image image = rooms::open_photo(photo, {});
  for (const rooms::Face& face : reader.faces(image).faces)
    people.push_back(to_person(rooms::identity_of(face, image.size())));
  return people;
}

Person FaceFinder::State::largest(const rooms::File& photo) {
  const rooms::Image image = rooms::open_photo(photo, {});
  const rooms::FoundFaces found = reader.faces(image);
  if (found.faces.empty()) rooms::fail_without_face(photo.name(), found);
  return to_person(rooms::identity_of(found.faces.front(), image.size()));
}

FaceFinder::FaceFinder(const std::filesystem::path& folder)
    : state_(new State{rooms::SubjectReader({.folder = folder}, {})}) {}
FaceFinder::FaceFinder(const std::filesystem::path& detector,
                       const std::filesystem::path& recogniser)
    : state_(
          new State{rooms::SubjectReader({.detector = detector, .recogniser = recogniser}, {})}) {}
FaceFinder::FaceFinder(FaceFinder&&) noexcept = default;
FaceFinder& FaceFinder::operator=(FaceFinder&&) noexcept = default;
FaceFinder::~FaceFinder() = default;

std::vector<Person> FaceFinder::all(const std::filesystem::path& photo) {
  return translated([&] { return state_->all(*rooms::open_file(photo)); });
}

std::vector<Person> FaceFinder::all(std::span<const std::byte> photo) {
  return translated([&] { return state_->all(*rooms::in_memory(photo)); });
}

std::optional<double> FaceFinder::likeness(const Picture& picture, const Person& person) {
  return translated([&] {
    const rooms::FoundFaces found = state_->reader.faces_of_result(to_image(picture, "measure"), 1);
    const rooms::Identity known = to_identity(person);
    const int photos = known.photos();
    return rooms::likeness(found.faces, known.embeddings(), std::span(&photos, 1));
  });
}

Person FaceFinder::largest(const std::filesystem::path& photo) {
  return translated([&] { return state_->largest(*rooms::open_file(photo)); });
}

Person FaceFinder::largest(std::span<const std::byte> photo) {
  return translated([&] { return state_->largest(*rooms::in_memory(photo)); });
}

void Picture::save(const std::filesystem::path& path) const {
  translated([&] { rooms::write_image(to_image(*this, "write"), path, text_of(*this)); });
}

std::vector<std::byte> Picture::encode(PictureFormat format) const {
  return translated(
      [&] { return rooms::encode(to_image(*this, "write"), room_format(format), text_of(*this)); });
}

struct Generation::State {
  std::shared_ptr<rooms::Pipeline> pipeline;
  rooms::Generation generation;
  rooms::Request request;
  rooms::StartFiles files;
  std::string parameters;
  std::vector<std::string> warnings;
  std::stop_source stop;

  rooms::Image image();
  rooms::Image refined(rooms::SubjectReader& reader);
  Picture picture_of(const rooms::Image& image) const;
};

Generation::Generation(std::unique_ptr<State> state) : state_(std::move(state)) {}
Generation::Generation(Generation&&) noexcept = default;
Generation& Generation::operator=(Generation&&) noexcept = default;
Generation::~Generation() = default;

bool Generation::next() {
  return translated([&] {
    if (step() >= count()) return false;
    state_->generation.next(state_->stop.get_token());
    return true;
  });
}

int Generation::step() const { return state_->generation.step(); }
const std::vector<std::string>& Generation::warnings() const { return state_->warnings; }
int Generation::count() const { return state_->generation.steps(); }

rooms::Image Generation::State::image() {
  rooms::Image image = generation.decode(stop.get_token());
  if (request.has_mask) image = files.picture()->finish(image, request, stop.get_token());
  return image;
}

rooms::Image Generation::State::refined(rooms::SubjectReader& reader) {
  rooms::Image whole = image();
  if (!rooms::may_refine(request)) return whole;
  const rooms::People people = generation.saved().people;
  const rooms::FoundFaces found =
      reader.faces_of_result(whole, request.photos.size(), stop.get_token());
  for (const rooms::FaceToRefine& face :
       rooms::faces_to_refine(found, whole.size(), request, people)) {
    const rooms::FacePass pass(whole, face, request, people, pipeline->native_side(),
                               pipeline->workspace().options().scratch_folder);
    whole = {};
    rooms::Generation again = pass.start(*pipeline, stop.get_token());
    while (again.next(stop.get_token())) {
    }
    whole = pass.finish(again, stop.get_token());
  }
  return whole;
}

Picture Generation::State::picture_of(const rooms::Image& image) const {
  Picture picture;
  picture.width = image.width();
  picture.height = image.height();
  picture.rgb.assign(image.pixels().begin(), image.pixels().end());
  picture.parameters = parameters;
  return picture;
}

Picture Generation::picture() {
  return translated([&] { return state_->picture_of(state_->image()); });
}

Picture Generation::refined_picture(FaceFinder& finder) {
  return translated([&] { return state_->picture_of(state_->refined(finder.state_->reader)); });
}

std::vector<float> Generation::latent() const {
  return translated([&] { return state_->generation.latent(); });
}

void Generation::save(const std::filesystem::path& path) const {
  translated([&] { rooms::save(state_->generation.saved(), path); });
}

void Generation::stop() { state_->stop.request_stop(); }

Generation::Steps::iterator::iterator(Generation* generation) : generation_(generation) { ++*this; }

Generation::Steps::iterator& Generation::Steps::iterator::operator++() {
  if (generation_->next()) {
    step_ = {generation_->step(), generation_->count()};
  } else {
    generation_ = nullptr;
  }
  return *this;
}

struct Generator::State {
  rooms::ModelPaths paths;
  rooms::Pipeline pipeline;
  rooms::PromptSources prompts;

  rooms::Request drawn(const rooms::Request& request) const {
    rooms::PromptSources sources = prompts;  // what it reads is not kept
    return rooms::with_drawn_prompts(request, sources);
  }
  /// The parameters text and the warnings of a picture.
  std::pair<std::string, std::vector<std::string>> describe(const rooms::Request& request) const;
  static Generation begun(const std::shared_ptr<State>& state, rooms::Generation generation,
                          const rooms::Request& request, rooms::StartFiles files,
                          std::stop_source stop);
};

Generation Generator::State::begun(const std::shared_ptr<State>& state,
                                   rooms::Generation generation, const rooms::Request& request,
                                   rooms::StartFiles files, std::stop_source stop) {
  auto [parameters, warnings] = state->describe(request);
  return Generation(
      std::unique_ptr<Generation::State>(new Generation::State{{state, &state->pipeline},
                                                               std::move(generation),
                                                               request,
                                                               std::move(files),
                                                               std::move(parameters),
                                                               std::move(warnings),
                                                               std::move(stop)}));
}

std::pair<std::string, std::vector<std::string>> Generator::State::describe(
    const rooms::Request& request) const {
  const std::vector<rooms::Warning> warnings = pipeline.warnings(request);
  return {rooms::parameters_text(request, {.base = paths.base,
                                           .parts = paths,
                                           .precision = pipeline.precision(),
                                           .scheduler = pipeline.scheduler(),
                                           .warnings = warnings}),
          rooms::texts_of(warnings, rooms::Language::kEnglish)};
}

Generator::Generator(const Models& models)
    : state_(translated([&] {
        if (models.threads < 0 || models.threads > 1024) {
          rooms::fail(rooms::ErrorKind::kArgument,
                      "cannot take threads: expected a whole number from 0 to 1024, got {}",
                      models.threads);
        }
        const std::string device =
            rooms::found_device(rooms::parse_device(models.device, "device"));
        rooms::set_threads(models.threads > 0 ? models.threads : rooms::available_cores());
        rooms::ModelPaths paths;
        rooms::each_model_path(
            [](const rooms::ModelPathRow&, auto& path, const auto& given) { path = given; }, paths,
            models);
        return std::shared_ptr<State>(new State{
            paths,
            rooms::Pipeline(paths, {.precision = room_precision(models.precision),
                                    .backend = device,
                                    .workspace = workspace_options(models, device),
                                    .lora_folders = rooms::lora_folders(models.lora_folder,
                                                                        models.base, "lora_folder"),
                                    .control_folders = rooms::control_folders(
                                        models.control_folder, models.base, "control_folder")}),
            rooms::open_prompt_sources(models.styles, models.wildcards)});
      })) {}
Generator::Generator(Generator&&) noexcept = default;
Generator& Generator::operator=(Generator&&) noexcept = default;
Generator::~Generator() = default;

int Generator::native_side() const { return state_->pipeline.native_side(); }

Plan Generator::plan(const Settings& settings) const {
  return translated([&] {
    rooms::Size size{settings.width, settings.height};
    if (size.w == 0 && size.h == 0) size = {native_side(), native_side()};
    const rooms::Request request =
        state_->drawn(to_request(settings, size, state_->pipeline.defaults()));
    rooms::check(request);
    const rooms::PlannedPicture planned = state_->pipeline.plan(
        {.request = request, .minimum = rooms::Wanted::kAlways, .largest = rooms::Wanted::kNever});
    return Plan{.fits = planned.plan.fits,
                .peak_bytes = planned.plan.peak_bytes,
                .minimum_bytes = planned.minimum_bytes,
                .minimum_gpu_bytes = planned.minimum_card_bytes,
                .scratch_bytes = planned.plan.scratch_bytes,
                .seconds = planned.plan.seconds,
                .step_seconds = planned.plan.step_seconds};
  });
}

Generation Generator::start(const Person& person, const Settings& settings, const Person* pose,
                            std::span<const std::byte> initial, std::span<const std::byte> mask) {
  return translated([&] {
    const rooms::Identity face = to_identity(person);
    const rooms::Identity placed = pose != nullptr ? to_identity(*pose) : face;
    rooms::SizeChoice choice;
    if (settings.width != 0 || settings.height != 0)
      choice = {rooms::SizeRule::kFixed, {settings.width, settings.height}};
    rooms::Request asked = to_request(settings, {8, 8}, state_->pipeline.defaults());
    rooms::StartFiles files(initial, mask, asked);
    asked.has_mask = !mask.empty() || asked.extends();
    const rooms::Size size = files.picture()
                                 ? files.picture()->size(choice, asked, native_side())
                                 : rooms::picture_size(choice, placed.image_size, native_side());
    asked.width = size.w;
    asked.height = size.h;
    rooms::Request request = state_->drawn(asked);
    request.has_mask = asked.has_mask;
    request.has_alpha = files.picture() && files.picture()->has_alpha();
    rooms::StartPicture from;
    if (files.picture()) {
      from = files.picture()->open(request);
      if (!request.strength) request.strength = rooms::Request::kStrength;
    }
    std::stop_source stop;
    const rooms::Keypoints keypoints =
        rooms::seen_keypoints(face, rooms::scale_keypoints(placed, size), request);
    const rooms::People people{.embeddings = face.embeddings(),
                               .keypoints = {keypoints},
                               .face_boxes = {rooms::face_box(placed, keypoints)}};
    rooms::Generation generation = state_->pipeline.start(
        request, people, stop.get_token(), files.picture() ? &from : nullptr,
        rooms::open_control_pictures(request, files.picture() ? &*files.picture() : nullptr));
    return State::begun(state_, std::move(generation), request, std::move(files), std::move(stop));
  });
}

Generation Generator::start(std::span<const Person> people, const Settings& settings,
                            std::span<const Person> pose) {
  return translated([&] {
    if (people.size() != settings.people.size() || people.empty()) {
      rooms::fail(rooms::ErrorKind::kArgument,
                  "cannot take people: expected as many persons as Settings::people, {}, got {}",
                  settings.people.size(), people.size());
    }
    rooms::SizeChoice choice;
    if (settings.width != 0 || settings.height != 0)
      choice = {rooms::SizeRule::kFixed, {settings.width, settings.height}};
    std::optional<rooms::PosedFaces> posed;
    rooms::Size frame{native_side(), native_side()};
    if (!pose.empty()) {
      posed.emplace(rooms::PosedFaces{.photo = "the pose"});
      for (const Person& face : pose) posed->faces.push_back(to_identity(face));
      frame = posed->faces.front().image_size;
    }
    const rooms::Size size = rooms::picture_size(choice, frame, native_side());
    rooms::Request request = state_->drawn(to_request(settings, size, state_->pipeline.defaults()));
    if (posed)
      posed->keypoints = [size](const rooms::Identity& face) {
        return rooms::scale_keypoints(face, size);
      };
    std::vector<rooms::ReadPerson> read;
    request.photos.clear();
    for (std::size_t i = 0; i < people.size(); ++i) {
      const rooms::PersonChoice asked = rooms::parse_person(request.people[i]);
      read.push_back({.identity = to_identity(people[i]),
                      .mask = asked.mask.empty() ? nullptr : rooms::open_file(asked.mask)});
      request.photos.push_back(read.back().identity.photos());
    }
    std::stop_source stop;
    rooms::Generation generation =
        state_->pipeline.start(request, rooms::place_people(request, read, posed), stop.get_token(),
                               nullptr, rooms::open_control_pictures(request, nullptr));
    return State::begun(state_, std::move(generation), request, StartFiles({}, {}, request),
                        std::move(stop));
  });
}

Generation Generator::resume(const std::filesystem::path& path, std::span<const std::byte> initial,
                             std::span<const std::byte> mask) {
  return translated([&] {
    const rooms::SavedRun run = rooms::load_saved_run(path);
    const bool lacks_mask = mask.empty() && !run.request.extends();
    if (run.request.has_mask && (initial.empty() || lacks_mask)) {
      rooms::fail(rooms::ErrorKind::kArgument,
                  "cannot resume the run: it repaints a part of a picture\n  give that picture and "
                  "its mask again");
    }
    rooms::StartFiles files(initial, mask, run.request);
    std::stop_source stop;
    rooms::Generation generation = state_->pipeline.resume(run, stop.get_token());
    return State::begun(state_, std::move(generation), run.request, std::move(files),
                        std::move(stop));
  });
}

std::string version() { return rooms::program_version(); }

}  // namespace semblance::v1
