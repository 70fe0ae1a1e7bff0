// The C API on top of the C++ API: only handles, texts and error codes.
#include "semblance/semblance_c.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/settings_json.h"
#include "core/closest.h"
#include "core/error.h"
#include "core/json.h"
#include "core/library_call.h"
#define SEMBLANCE_IMPLEMENTATION
#include "semblance/semblance.h"

namespace v1 = semblance::v1;
using semblance::ErrorKind;
using semblance::fail;

struct semblance_person {
  v1::Person person;
};
struct semblance_people {
  std::vector<semblance_person> all;
};
struct semblance_face_finder {
  v1::FaceFinder finder;
};
struct semblance_generator {
  v1::Generator generator;
};
struct semblance_generation {
  v1::Generation generation;
};
struct semblance_picture {
  v1::Picture picture;
};

namespace {

static_assert(static_cast<int>(v1::ErrorKind::kArgument) == SEMBLANCE_ARGUMENT);
static_assert(static_cast<int>(v1::ErrorKind::kMissing) == SEMBLANCE_MISSING);
static_assert(static_cast<int>(v1::ErrorKind::kCorrupt) == SEMBLANCE_CORRUPT);
static_assert(static_cast<int>(v1::ErrorKind::kShape) == SEMBLANCE_SHAPE);
static_assert(static_cast<int>(v1::ErrorKind::kMemory) == SEMBLANCE_MEMORY);
static_assert(static_cast<int>(v1::ErrorKind::kDevice) == SEMBLANCE_DEVICE);
static_assert(static_cast<int>(v1::ErrorKind::kInternal) == SEMBLANCE_INTERNAL);
static_assert(static_cast<int>(v1::ErrorKind::kCancelled) == SEMBLANCE_CANCELLED);
static_assert(static_cast<int>(v1::PictureFormat::kPng) == SEMBLANCE_PNG);
static_assert(static_cast<int>(v1::PictureFormat::kJpeg) == SEMBLANCE_JPEG);
static_assert(static_cast<int>(v1::PictureFormat::kWebp) == SEMBLANCE_WEBP);

thread_local std::string error_text;
thread_local const char* shown_error = "";

int set_error(int code, std::string_view text, std::string_view more = {}) {
  try {
    error_text.assign(text).append(more);
    shown_error = error_text.c_str();
  } catch (const std::bad_alloc&) {
    shown_error = semblance::kMemoryRefused;
  }
  return code;
}

/// Keeps the text of the exception being handled and returns its code.
int set_error_from_exception() {
  try {
    throw;
  } catch (const semblance::Error& error) {
    return set_error(exit_code(error.kind()), error.what());
  } catch (const v1::Error& error) {
    return set_error(static_cast<int>(error.kind()), error.what());
  } catch (const std::bad_alloc&) {
    return set_error(SEMBLANCE_MEMORY, semblance::kMemoryRefused);
  } catch (const std::exception& error) {
    return set_error(SEMBLANCE_INTERNAL, "internal error: ", error.what());
  } catch (...) {
    return set_error(SEMBLANCE_INTERNAL, "internal error: an exception of an unknown type");
  }
}

struct Argument {
  const char* name;
  const void* value;
};

/// Runs f and returns its exceptions as codes. `needed`: arguments that must not be NULL.
template <typename F>
int guarded(const char* function, std::initializer_list<Argument> needed, F&& f) noexcept {
  try {
    for (const Argument& argument : needed) {
      if (argument.value == nullptr)
        fail(ErrorKind::kArgument, "{}: {} must not be NULL", function, argument.name);
    }
    f();
    return SEMBLANCE_OK;
  } catch (...) {
    return set_error_from_exception();
  }
}

/// Sets a result to NULL or 0 until the call succeeds.
template <typename T>
void clear(T* result) {
  if (result != nullptr) *result = {};
}

/// A copy for the caller, to be freed with semblance_free().
template <typename T>
T* copy_of(const void* bytes, std::size_t size) {
  void* const copy = std::malloc(size > 0 ? size : 1);
  if (copy == nullptr) throw std::bad_alloc();
  std::memcpy(copy, bytes, size);
  return static_cast<T*>(copy);
}

char* copy_of_text(const std::string& text) { return copy_of<char>(text.c_str(), text.size() + 1); }

char* json_text(const nlohmann::ordered_json& json) {
  using Json = nlohmann::ordered_json;
  return copy_of_text(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::span<const std::byte> bytes_of(const void* bytes, std::size_t length) {
  return {static_cast<const std::byte*>(bytes), length};
}

/// Calls f(key, member) for each key of the models' JSON.
template <typename F>
void each_member(F&& f, v1::Models& models) {
  f("base", models.base);
  f("identitynet", models.identitynet);
  f("adapter", models.adapter);
  f("embeddings", models.embeddings);
  f("precision", models.precision);
  f("threads", models.threads);
  f("memory_bytes", models.memory_bytes);
  f("device", models.device);
  f("gpu_memory_bytes", models.gpu_memory_bytes);
  f("scratch_folder", models.scratch_folder);
  f("lora_folder", models.lora_folder);
  f("control_folder", models.control_folder);
  f("unet", models.unet);
  f("vae", models.vae);
  f("text_encoders", models.text_encoders);
  f("styles", models.styles);
  f("wildcards", models.wildcards);
}

struct MemberReader {
  const semblance::Json& json;

  void operator()(std::string_view key, std::filesystem::path& path) const {
    const bool is_needed = key == "base" || key == "identitynet" || key == "adapter";
    path = is_needed ? json.get_string(key) : json.get_string(key, "");
    if (path.empty() && is_needed) json.refuse(key, "a path");
  }
  void operator()(std::string_view key, std::string& text) const {
    text = json.get_string(key, text);
  }
  void operator()(std::string_view key, std::vector<std::filesystem::path>& paths) const {
    for (std::string& path : json.get_string_list(key, std::vector<std::string>()))
      paths.emplace_back(std::move(path));
  }
  void operator()(std::string_view key, v1::Precision& precision) const {
    const std::string name = json.get_string(key, "auto");
    if (name == "f32") precision = v1::Precision::kF32;
    if (name == "bf16") precision = v1::Precision::kBF16;
    if (precision == v1::Precision::kAuto && name != "auto")
      json.refuse(key, "\"auto\", \"f32\" or \"bf16\"");
  }
  void operator()(std::string_view key, int& threads) const {
    threads = static_cast<int>(
        json.get_int(key, 0, {.least = 0, .most = std::numeric_limits<int>::max()}));
  }
  void operator()(std::string_view key, std::uint64_t& bytes) const {
    bytes = static_cast<std::uint64_t>(json.get_int(key, 0, {.least = 0}));
  }
};

v1::Models models_of(const char* text) {
  v1::Models models;
  try {
    const auto json = semblance::Json::parse("the models", text);
    json.expect_object();
    std::vector<std::string_view> known;
    each_member([&](std::string_view key, const auto&) { known.push_back(key); }, models);
    for (const std::string& key : json.keys()) {
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        fail(ErrorKind::kArgument, "cannot read the models: there is no key '{}'{}",
             key.substr(0, 60), semblance::did_you_mean(key, known));
      }
    }
    each_member(MemberReader{json}, models);
  } catch (const semblance::Error& error) {
    // Not kCorrupt: the text is an argument, not a file.
    throw semblance::Error(ErrorKind::kArgument, error.what());
  }
  return models;
}

v1::Settings settings_of(const char* text) {
  const semblance::Request request = semblance::parse_settings(text, semblance::Asker::kUser);
  v1::Settings settings;
  semblance::each_parameter(
      [](const semblance::Parameter&, auto& to, const auto& from) {
        const std::optional<semblance::PlainOf<std::decay_t<decltype(from)>>> value = from;
        if (value) to = semblance::plain(*value);
      },
      settings, request);
  return settings;
}

semblance_people* people_of(std::vector<v1::Person> found) {
  auto people = std::make_unique<semblance_people>();
  for (v1::Person& person : found) people->all.push_back({std::move(person)});
  return people.release();
}

}  // namespace

int semblance_abi(void) { return SEMBLANCE_ABI; }

const char* semblance_version(void) { return "semblance " SEMBLANCE_VERSION; }

const char* semblance_error_text(void) { return shown_error; }

void semblance_free(void* text_or_bytes) { std::free(text_or_bytes); }

int semblance_person_load(const char* path, semblance_person** person) {
  clear(person);
  return guarded(__func__, {{"path", path}, {"person", person}},
                 [&] { *person = new semblance_person{v1::Person::load(path)}; });
}

int semblance_person_from_json(const char* json, semblance_person** person) {
  clear(person);
  return guarded(__func__, {{"json", json}, {"person", person}},
                 [&] { *person = new semblance_person{v1::Person::from_json(json)}; });
}

int semblance_person_save(const semblance_person* person, const char* path) {
  return guarded(__func__, {{"person", person}, {"path", path}},
                 [&] { person->person.save(path); });
}

int semblance_person_join(const semblance_person* const* photos, size_t count,
                          semblance_person** person) {
  clear(person);
  return guarded(__func__, {{"photos", photos}, {"person", person}}, [&] {
    std::vector<v1::Person> all;
    for (size_t i = 0; i < count; ++i) {
      if (photos[i] == nullptr)
        fail(ErrorKind::kArgument, "cannot combine the photos: photo {} is NULL", i + 1);
      all.push_back(photos[i]->person);
    }
    *person = new semblance_person{v1::Person::join(all)};
  });
}

int semblance_person_likeness(const semblance_person* a, const semblance_person* b,
                              double* likeness) {
  return guarded(__func__, {{"a", a}, {"b", b}, {"likeness", likeness}},
                 [&] { *likeness = a->person.likeness(b->person); });
}

int semblance_person_to_json(const semblance_person* person, char** json) {
  clear(json);
  return guarded(__func__, {{"person", person}, {"json", json}},
                 [&] { *json = copy_of_text(person->person.to_json()); });
}

void semblance_person_free(semblance_person* person) { delete person; }

size_t semblance_people_count(const semblance_people* people) {
  return people == nullptr ? 0 : people->all.size();
}

const semblance_person* semblance_people_at(const semblance_people* people, size_t index) {
  return index < semblance_people_count(people) ? &people->all[index] : nullptr;
}

void semblance_people_free(semblance_people* people) { delete people; }

int semblance_face_finder_new(const char* folder, semblance_face_finder** finder) {
  clear(finder);
  return guarded(__func__, {{"folder", folder}, {"finder", finder}},
                 [&] { *finder = new semblance_face_finder{v1::FaceFinder(folder)}; });
}

int semblance_face_finder_new_from_files(const char* detector, const char* recogniser,
                                         semblance_face_finder** finder) {
  clear(finder);
  return guarded(
      __func__, {{"detector", detector}, {"recogniser", recogniser}, {"finder", finder}},
      [&] { *finder = new semblance_face_finder{v1::FaceFinder(detector, recogniser)}; });
}

int semblance_face_finder_all(semblance_face_finder* finder, const char* path,
                              semblance_people** people) {
  clear(people);
  return guarded(__func__, {{"finder", finder}, {"path", path}, {"people", people}},
                 [&] { *people = people_of(finder->finder.all(path)); });
}

int semblance_face_finder_all_in_memory(semblance_face_finder* finder, const void* photo,
                                        size_t length, semblance_people** people) {
  clear(people);
  return guarded(__func__, {{"finder", finder}, {"photo", photo}, {"people", people}},
                 [&] { *people = people_of(finder->finder.all(bytes_of(photo, length))); });
}

int semblance_face_finder_largest(semblance_face_finder* finder, const char* path,
                                  semblance_person** person) {
  clear(person);
  return guarded(__func__, {{"finder", finder}, {"path", path}, {"person", person}},
                 [&] { *person = new semblance_person{finder->finder.largest(path)}; });
}

int semblance_face_finder_largest_in_memory(semblance_face_finder* finder, const void* photo,
                                            size_t length, semblance_person** person) {
  clear(person);
  return guarded(__func__, {{"finder", finder}, {"photo", photo}, {"person", person}}, [&] {
    *person = new semblance_person{finder->finder.largest(bytes_of(photo, length))};
  });
}

int semblance_face_finder_likeness(semblance_face_finder* finder, const semblance_picture* picture,
                                   const semblance_person* person, double* likeness) {
  return guarded(
      __func__,
      {{"finder", finder}, {"picture", picture}, {"person", person}, {"likeness", likeness}}, [&] {
        const auto found = finder->finder.likeness(picture->picture, person->person);
        if (!found) fail(ErrorKind::kMissing, "cannot find a face in the picture");
        *likeness = *found;
      });
}

void semblance_face_finder_free(semblance_face_finder* finder) { delete finder; }

int semblance_generator_new(const char* models, semblance_generator** generator) {
  clear(generator);
  return guarded(__func__, {{"models", models}, {"generator", generator}},
                 [&] { *generator = new semblance_generator{v1::Generator(models_of(models))}; });
}

int semblance_generator_native_side(const semblance_generator* generator) {
  return generator == nullptr ? 0 : generator->generator.native_side();
}

int semblance_generator_plan(const semblance_generator* generator, const char* settings,
                             char** plan) {
  clear(plan);
  return guarded(__func__, {{"generator", generator}, {"settings", settings}, {"plan", plan}}, [&] {
    const v1::Plan found = generator->generator.plan(settings_of(settings));
    *plan = json_text({{"fits", found.fits},
                       {"peak_bytes", found.peak_bytes},
                       {"minimum_bytes", found.minimum_bytes},
                       {"minimum_gpu_bytes", found.minimum_gpu_bytes},
                       {"scratch_bytes", found.scratch_bytes},
                       {"seconds", found.seconds},
                       {"step_seconds", found.step_seconds}});
  });
}

int semblance_generator_start(semblance_generator* generator, const semblance_person* person,
                              const char* settings, const semblance_person* pose,
                              semblance_generation** generation) {
  clear(generation);
  return guarded(
      __func__,
      {{"generator", generator},
       {"person", person},
       {"settings", settings},
       {"generation", generation}},
      [&] {
        *generation = new semblance_generation{generator->generator.start(
            person->person, settings_of(settings), pose == nullptr ? nullptr : &pose->person)};
      });
}

int semblance_generator_start_from(semblance_generator* generator, const semblance_person* person,
                                   const char* settings, const semblance_person* pose,
                                   const void* picture, size_t length, const void* mask,
                                   size_t mask_length, semblance_generation** generation) {
  clear(generation);
  return guarded(
      __func__,
      {{"generator", generator},
       {"person", person},
       {"settings", settings},
       {"picture", picture},
       {"generation", generation}},
      [&] {
        *generation = new semblance_generation{generator->generator.start(
            person->person, settings_of(settings), pose == nullptr ? nullptr : &pose->person,
            bytes_of(picture, length), bytes_of(mask, mask == nullptr ? 0 : mask_length))};
      });
}

int semblance_generator_resume(semblance_generator* generator, const char* path,
                               semblance_generation** generation) {
  clear(generation);
  return guarded(
      __func__, {{"generator", generator}, {"path", path}, {"generation", generation}},
      [&] { *generation = new semblance_generation{generator->generator.resume(path)}; });
}

int semblance_generator_resume_from(semblance_generator* generator, const char* path,
                                    const void* picture, size_t length, const void* mask,
                                    size_t mask_length, semblance_generation** generation) {
  clear(generation);
  return guarded(__func__,
                 {{"generator", generator},
                  {"path", path},
                  {"picture", picture},
                  {"mask", mask},
                  {"generation", generation}},
                 [&] {
                   *generation = new semblance_generation{generator->generator.resume(
                       path, bytes_of(picture, length), bytes_of(mask, mask_length))};
                 });
}

void semblance_generator_free(semblance_generator* generator) { delete generator; }

int semblance_generation_step(const semblance_generation* generation) {
  return generation == nullptr ? 0 : generation->generation.step();
}

int semblance_generation_count(const semblance_generation* generation) {
  return generation == nullptr ? 0 : generation->generation.count();
}

int semblance_generation_warnings(const semblance_generation* generation, char** warnings) {
  clear(warnings);
  return guarded(__func__, {{"generation", generation}, {"warnings", warnings}},
                 [&] { *warnings = json_text(generation->generation.warnings()); });
}

int semblance_generation_run(semblance_generation* generation, semblance_step_callback on_step,
                             void* user) {
  return guarded(__func__, {{"generation", generation}}, [&] {
    for (const v1::Step& step : generation->generation.steps()) {
      const int answer = on_step == nullptr ? 0 : on_step(user, step.index, step.count);
      if (answer == 0) continue;
      generation->generation.stop();
      fail(ErrorKind::kCancelled, "cancelled after step {} of {}: the step callback returned {}",
           step.index, step.count, answer);
    }
  });
}

int semblance_generation_next(semblance_generation* generation, int* computed) {
  clear(computed);
  return guarded(__func__, {{"generation", generation}, {"computed", computed}},
                 [&] { *computed = generation->generation.next() ? 1 : 0; });
}

int semblance_generation_picture(semblance_generation* generation, semblance_picture** picture) {
  clear(picture);
  return guarded(__func__, {{"generation", generation}, {"picture", picture}},
                 [&] { *picture = new semblance_picture{generation->generation.picture()}; });
}

int semblance_generation_refined_picture(semblance_generation* generation,
                                         semblance_face_finder* finder,
                                         semblance_picture** picture) {
  clear(picture);
  return guarded(
      __func__, {{"generation", generation}, {"finder", finder}, {"picture", picture}}, [&] {
        *picture = new semblance_picture{generation->generation.refined_picture(finder->finder)};
      });
}

int semblance_generation_save(const semblance_generation* generation, const char* path) {
  return guarded(__func__, {{"generation", generation}, {"path", path}},
                 [&] { generation->generation.save(path); });
}

void semblance_generation_stop(semblance_generation* generation) {
  if (generation != nullptr) generation->generation.stop();
}

void semblance_generation_free(semblance_generation* generation) { delete generation; }

int semblance_picture_width(const semblance_picture* picture) {
  return picture == nullptr ? 0 : picture->picture.width;
}

int semblance_picture_height(const semblance_picture* picture) {
  return picture == nullptr ? 0 : picture->picture.height;
}

const unsigned char* semblance_picture_rgb(const semblance_picture* picture) {
  return picture == nullptr ? nullptr : picture->picture.rgb.data();
}

const char* semblance_picture_parameters(const semblance_picture* picture) {
  return picture == nullptr ? nullptr : picture->picture.parameters.c_str();
}

int semblance_picture_set_parameters(semblance_picture* picture, const char* parameters) {
  return guarded(__func__, {{"picture", picture}, {"parameters", parameters}},
                 [&] { picture->picture.parameters = parameters; });
}

int semblance_picture_encode(const semblance_picture* picture, int format, unsigned char** bytes,
                             size_t* length) {
  clear(bytes);
  clear(length);
  return guarded(__func__, {{"picture", picture}, {"bytes", bytes}, {"length", length}}, [&] {
    const auto file = picture->picture.encode(static_cast<v1::PictureFormat>(format));
    *bytes = copy_of<unsigned char>(file.data(), file.size());
    *length = file.size();
  });
}

int semblance_picture_save(const semblance_picture* picture, const char* path) {
  return guarded(__func__, {{"picture", picture}, {"path", path}},
                 [&] { picture->picture.save(path); });
}

void semblance_picture_free(semblance_picture* picture) { delete picture; }
