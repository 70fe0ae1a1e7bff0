// The C API: its errors, and that it gives the same results as the C++ API.
#include "api/semblance_c_test.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "image/decode.h"
#include "image/mask.h"
#include "pipeline/request.h"
#define SEMBLANCE_IMPLEMENTATION  // so that its names are in v1 only
#include "semblance/semblance.h"

namespace {

namespace v1 = semblance::v1;
using namespace semblance_c_test;

TEST(CApiHeader, HasTheVersionsOfTheLibrary) {
  EXPECT_EQ(semblance_abi(), SEMBLANCE_ABI);
  EXPECT_EQ(semblance_version(), v1::version());
}

TEST(CApiHeader, KindsAreExitCodes) {
  for (int kind = 0; kind <= static_cast<int>(semblance::ErrorKind::kInternal); ++kind) {
    const int code = exit_code(static_cast<semblance::ErrorKind>(kind));
    const std::set<int> codes{SEMBLANCE_ARGUMENT, SEMBLANCE_MISSING,  SEMBLANCE_CORRUPT,
                              SEMBLANCE_SHAPE,    SEMBLANCE_MEMORY,   SEMBLANCE_DEVICE,
                              SEMBLANCE_INTERNAL, SEMBLANCE_CANCELLED};
    EXPECT_TRUE(codes.contains(code)) << code;
  }
}

TEST(CApiHeader, DocumentsEverySetting) {
  const std::string header = bytes_of(source() / "include/semblance/semblance_c.h");
  const semblance::Request none;
  semblance::each_parameter(
      [&](const semblance::Parameter& row, const auto&) {
        const std::string name(row.name);
        EXPECT_NE(header.find('"' + name + '"'), header.npos) << name;
      },
      none);
}

/// Expects an error for the models' JSON with `change` merged into it.
void expect_models_error(const json& change, int expected, const std::string& part) {
  json changed = models();
  changed.merge_patch(change);
  Generator generator;
  expect_error(semblance_generator_new(changed.dump().c_str(), generator.out()), expected, part);
  EXPECT_EQ(generator.value, nullptr);
}

TEST(CApiModels, AreChecked) {
  expect_models_error({{"bass", "x"}}, SEMBLANCE_ARGUMENT,
                      "cannot read the models: there is no key 'bass', did you mean base?");
  expect_models_error({{"base", nullptr}}, SEMBLANCE_ARGUMENT, "\"base\" is missing");
  expect_models_error({{"adapter", ""}}, SEMBLANCE_ARGUMENT,
                      "\"adapter\" must be a path, got \"\"");
  expect_models_error({{"identitynet", 5}}, SEMBLANCE_ARGUMENT,
                      "\"identitynet\" must be a string, got 5");
  expect_models_error({{"precision", "f16"}}, SEMBLANCE_ARGUMENT,
                      "\"precision\" must be \"auto\", \"f32\" or \"bf16\", got \"f16\"");
  expect_models_error({{"threads", -1}}, SEMBLANCE_ARGUMENT, "\"threads\" must be an integer");
  expect_models_error({{"threads", 2000}}, SEMBLANCE_ARGUMENT,
                      "cannot take threads: expected a whole number from 0 to 1024, got 2000");
  expect_models_error({{"memory_bytes", "1GiB"}}, SEMBLANCE_ARGUMENT,
                      "\"memory_bytes\" must be an integer");
  expect_models_error({{"device", "cuda"}}, SEMBLANCE_ARGUMENT,
                      "cannot take device: expected auto, cpu, gpu, gpu:N or gpu:NAME, got 'cuda'");
  expect_models_error({{"device", "gpu:99"}}, SEMBLANCE_DEVICE, "cannot use --device gpu:99");
  expect_models_error({{"gpu_memory_bytes", 1 << 30}}, SEMBLANCE_ARGUMENT,
                      "cannot take gpu_memory_bytes: models are computed on the processor");
  expect_models_error({{"base", "/nowhere"}}, SEMBLANCE_MISSING, "/nowhere");
  expect_models_error({{"scratch_folder", "/nowhere"}}, SEMBLANCE_MISSING, "/nowhere");
  Generator generator;
  for (const char* text : {"", "[]", "{", "5", "\xff"}) {
    expect_error(semblance_generator_new(text, generator.out()), SEMBLANCE_ARGUMENT,
                 "cannot read the models");
  }
}

TEST_F(CApi, JoinsPhotosOfOnePerson) {
  Person several, other;
  const semblance_person* photos[] = {person_, person_, nullptr};
  ASSERT_OK(semblance_person_join(photos, 2, several.out()));
  double likeness = 0;
  ASSERT_OK(semblance_person_likeness(several, person_, &likeness));
  EXPECT_NEAR(likeness, 1, 1e-6);
  Text text;
  ASSERT_OK(semblance_person_to_json(several, text.out()));
  EXPECT_EQ(json::parse(text.value)["other_embeddings"].size(), 1U);
  Generation two;
  const std::string concat =
      R"({"prompt": "a man", "width": 64, "height": 48, "steps": 1, "combine": "concat"})";
  ASSERT_OK(semblance_generator_start(generator_, several, concat.c_str(), nullptr, two.out()));
  EXPECT_OK(semblance_generation_run(two, nullptr, nullptr));
  ASSERT_OK(semblance_person_load((golden() / "window/identity.json").c_str(), other.out()));
  photos[1] = other;
  expect_error(semblance_person_join(photos, 2, several.out()), SEMBLANCE_ARGUMENT,
               "photo 2 shows somebody else than photo 1");
  expect_error(semblance_person_join(photos, 3, several.out()), SEMBLANCE_ARGUMENT,
               "photo 3 is NULL");
  expect_error(semblance_person_join(photos, 0, several.out()), SEMBLANCE_ARGUMENT,
               "expected at least one, got none");
}

TEST_F(CApi, ChecksSettings) {
  const auto refuses = [&](const char* settings, const std::string& part) {
    Generation generation;
    expect_error(
        semblance_generator_start(generator_, person_, settings, nullptr, generation.out()),
        SEMBLANCE_ARGUMENT, part);
    EXPECT_EQ(generation.value, nullptr);
    Text plan;
    expect_error(semblance_generator_plan(generator_, settings, plan.out()), SEMBLANCE_ARGUMENT,
                 part);
    EXPECT_EQ(plan.value, nullptr);
  };
  refuses("{", "cannot read the settings: invalid JSON at byte");
  refuses("[]", "the settings must be a JSON object");
  refuses("{}", "cannot take prompt: it is missing");
  refuses(R"({"prompt": "p", "stepps": 5})", "there is no setting 'stepps', did you mean steps?");
  refuses(R"({"prompt": "p", "count": 2})", "there is no setting 'count'");
  refuses(R"({"prompt": "p", "steps": 0})",
          "cannot take steps: expected a whole number from 1 to 1000, got 0");
  refuses(R"({"prompt": "p", "steps": "5"})", "cannot take steps: expected a whole number");
  refuses(R"({"prompt": "p", "width": 60, "height": 64})", "the nearest is 64");
  refuses(R"({"prompt": "p", "width": 64})", "expected both width and height, or neither");
}

TEST_F(CApi, PlansAPicture) {
  Text text;
  ASSERT_OK(semblance_generator_plan(generator_, kSettings, text.out()));
  const json plan = json::parse(text.value);
  EXPECT_EQ(plan.size(), 7U);
  EXPECT_EQ(plan["fits"], true);
  EXPECT_EQ(plan["minimum_gpu_bytes"], 0);
  EXPECT_GT(plan["peak_bytes"], 0);
  EXPECT_GE(plan["peak_bytes"], plan["minimum_bytes"]);
  EXPECT_GT(plan["seconds"], plan["step_seconds"]);
  json small = models();
  small["memory_bytes"] = 1 << 20;
  Generator generator;
  ASSERT_OK(semblance_generator_new(small.dump().c_str(), generator.out()));
  ASSERT_OK(semblance_generator_plan(generator, kSettings, text.out()));
  EXPECT_EQ(json::parse(text.value)["fits"], false);
  Generation generation;
  expect_error(semblance_generator_start(generator, person_, kSettings, nullptr, generation.out()),
               SEMBLANCE_MEMORY, "cannot fit");
}

int remember(void* user, int index, int count) {
  static_cast<std::vector<int>*>(user)->push_back(index * 10 + count);
  return 0;
}

TEST_F(CApi, MakesTheSamePictureAsTheCppApi) {
  v1::Generator cpp({.base = models()["base"].get<std::string>(),
                     .identitynet = models()["identitynet"].get<std::string>(),
                     .adapter = models()["adapter"].get<std::string>(),
                     .precision = v1::Precision::kF32});
  v1::Generation cpp_generation =
      cpp.start(v1::Person::load(identity()),
                {.prompt = "a (man:1.2)", .width = 64, .height = 48, .steps = 3, .seed = 5});
  while (cpp_generation.next()) {
  }
  const v1::Picture expected = cpp_generation.picture();

  Generation generation;
  json settings = json::parse(kSettings);
  settings["prompt"] = "a (man:1.2)";
  start(generation, settings.dump().c_str());
  EXPECT_EQ(semblance_generator_native_side(generator_), cpp.native_side());
  EXPECT_EQ(semblance_generation_count(generation), 3);
  Text warnings;
  ASSERT_OK(semblance_generation_warnings(generation, warnings.out()));
  EXPECT_EQ(json::parse(warnings.value), json(cpp_generation.warnings()));
  int computed = 0;
  ASSERT_OK(semblance_generation_next(generation, &computed));
  EXPECT_EQ(computed, 1);
  EXPECT_EQ(semblance_generation_step(generation), 1);
  std::vector<int> steps;
  ASSERT_OK(semblance_generation_run(generation, remember, &steps));
  EXPECT_EQ(steps, (std::vector<int>{23, 33}));
  ASSERT_OK(semblance_generation_next(generation, &computed));
  EXPECT_EQ(computed, 0);

  Picture picture;
  ASSERT_OK(semblance_generation_picture(generation, picture.out()));
  EXPECT_EQ(semblance_picture_width(picture), 64);
  EXPECT_EQ(semblance_picture_height(picture), 48);
  EXPECT_TRUE(std::equal(expected.rgb.begin(), expected.rgb.end(), semblance_picture_rgb(picture)));
  EXPECT_EQ(semblance_picture_parameters(picture), expected.parameters);
  expected.save(file("cpp.png"));
  ASSERT_OK(semblance_picture_save(picture, file("c.png").c_str()));
  EXPECT_EQ(bytes_of(file("c.png")), bytes_of(file("cpp.png")));
}

TEST_F(CApi, StartsFromAPicture) {
  const std::string initial = bytes_of(golden() / "from_picture/initial.png");
  const auto made = [&](const char* settings) {
    Generation generation;
    EXPECT_OK(semblance_generator_start_from(generator_, person_, settings, person_, initial.data(),
                                             initial.size(), nullptr, 0, generation.out()));
    EXPECT_OK(semblance_generation_run(generation, nullptr, nullptr));
    Picture picture;
    EXPECT_OK(semblance_generation_picture(generation, picture.out()));
    EXPECT_EQ(semblance_picture_width(picture), 72);
    EXPECT_EQ(semblance_picture_height(picture), 104);
    return std::string(semblance_picture_rgb(picture),
                       semblance_picture_rgb(picture) + std::size_t{72} * 104 * 3);
  };
  const std::string usual = made(R"({"prompt": "a man", "steps": 5})");
  EXPECT_EQ(made(R"({"prompt": "a man", "steps": 5, "strength": 0.8})"), usual);
  EXPECT_NE(made(R"({"prompt": "a man", "steps": 5, "strength": 0.4})"), usual);
  Generation none;
  expect_error(
      semblance_generator_start(generator_, person_, R"({"prompt": "a man", "strength": 0.4})",
                                nullptr, none.out()),
      SEMBLANCE_ARGUMENT, "cannot start from a picture: a strength is given, but no picture");
  expect_error(semblance_generator_start_from(generator_, person_, kSettings, person_, "text", 4,
                                              nullptr, 0, none.out()),
               SEMBLANCE_ARGUMENT, "the picture");
}

TEST_F(CApi, RepaintsAPartOfAPicture) {
  const std::string initial = bytes_of(golden() / "repaint/initial.png");
  const std::string mask = bytes_of(golden() / "repaint/mask.png");
  const auto pixels = [](Generation& generation) {
    Picture picture;
    EXPECT_OK(semblance_generation_picture(generation, picture.out()));
    return std::string(semblance_picture_rgb(picture),
                       semblance_picture_rgb(picture) + std::size_t{96} * 80 * 3);
  };
  Generation generation;
  ASSERT_OK(semblance_generator_start_from(
      generator_, person_, R"({"prompt": "a man", "steps": 4, "mask_blur": 0})", person_,
      initial.data(), initial.size(), mask.data(), mask.size(), generation.out()));
  ASSERT_OK(semblance_generation_save(generation, file("run").c_str()));
  ASSERT_OK(semblance_generation_run(generation, nullptr, nullptr));
  const std::string made = pixels(generation);
  const semblance::Image before = semblance::decode(golden() / "repaint/initial.png");
  const semblance::Mask covered = semblance::grey(semblance::decode(golden() / "repaint/mask.png"));
  int changed = 0;
  for (std::size_t i = 0; i < made.size(); ++i) {
    const bool is_same = static_cast<std::uint8_t>(made[i]) == before.pixels()[i];
    if (covered.values()[i / 3] == 0) {
      ASSERT_TRUE(is_same) << i;
    } else if (!is_same) {
      ++changed;
    }
  }
  EXPECT_GT(changed, 1000);

  Generation resumed;
  expect_error(semblance_generator_resume(generator_, file("run").c_str(), resumed.out()),
               SEMBLANCE_ARGUMENT, "give that picture and its mask again");
  ASSERT_OK(semblance_generator_resume_from(generator_, file("run").c_str(), initial.data(),
                                            initial.size(), mask.data(), mask.size(),
                                            resumed.out()));
  ASSERT_OK(semblance_generation_run(resumed, nullptr, nullptr));
  EXPECT_TRUE(pixels(resumed) == made);
  Generation none;
  const std::string other = bytes_of(golden() / "repaint_noise/mask.png");
  expect_error(
      semblance_generator_start_from(generator_, person_, kSettings, person_, initial.data(),
                                     initial.size(), other.data(), other.size(), none.out()),
      SEMBLANCE_ARGUMENT, "cannot take the mask: expected one of 96x80, as the picture, got 80x72");
}

TEST_F(CApi, EncodesTheSameBytesAsItSaves) {
  Generation generation;
  start(generation);
  Picture picture;
  ASSERT_OK(semblance_generation_picture(generation, picture.out()));
  const auto encoded = [&](int format) {
    Bytes bytes;
    size_t length = 0;
    EXPECT_OK(semblance_picture_encode(picture, format, bytes.out(), &length));
    return std::string(bytes.value, bytes.value + length);
  };
  const auto saved = [&](const std::string& name) {
    EXPECT_OK(semblance_picture_save(picture, file(name).c_str()));
    return bytes_of(file(name));
  };
  EXPECT_EQ(encoded(SEMBLANCE_PNG), saved("a.png"));
  EXPECT_EQ(encoded(SEMBLANCE_JPEG), saved("a.jpg"));
  EXPECT_EQ(encoded(SEMBLANCE_WEBP), saved("a.webp"));
  EXPECT_NE(saved("a.png").find("parameters"), std::string::npos);
  ASSERT_OK(semblance_picture_set_parameters(picture, ""));
  EXPECT_EQ(saved("a.png").find("parameters"), std::string::npos);
  EXPECT_STREQ(semblance_picture_parameters(picture), "");

  Bytes bytes;
  size_t length = 1;
  expect_error(semblance_picture_encode(picture, 3, bytes.out(), &length), SEMBLANCE_ARGUMENT,
               "expected the format PNG (0), JPEG (1) or WebP (2), got 3");
  EXPECT_EQ(bytes.value, nullptr);
  EXPECT_EQ(length, 0U);
  expect_error(semblance_picture_save(picture, file("a.gif").c_str()), SEMBLANCE_ARGUMENT,
               "got .gif");
  expect_error(semblance_picture_save(picture, "/nowhere/a.png"), SEMBLANCE_MISSING, "/nowhere");
}

TEST_F(CApi, SavesAndLoadsPeopleAsText) {
  Text text;
  ASSERT_OK(semblance_person_to_json(person_, text.out()));
  Person again;
  ASSERT_OK(semblance_person_from_json(text, again.out()));
  ASSERT_OK(semblance_person_save(again, file("me.json").c_str()));
  EXPECT_EQ(bytes_of(file("me.json")), text.value);
  ASSERT_OK(semblance_person_load(file("me.json").c_str(), again.out()));
  expect_error(semblance_person_from_json("{", again.out()), SEMBLANCE_CORRUPT,
               "cannot read the identity: invalid JSON");
  EXPECT_EQ(again.value, nullptr);
  expect_error(semblance_person_from_json("{}", again.out()), SEMBLANCE_MISSING, "\"embedding\"");
  expect_error(semblance_person_load("/nowhere.json", again.out()), SEMBLANCE_MISSING, "/nowhere");
  expect_error(semblance_person_save(person_, "/nowhere/me.json"), SEMBLANCE_MISSING, "/nowhere");
}

TEST(CApiFaces, AreFoundInFilesAndInMemory) {
  FaceFinder finder;
  ASSERT_OK(semblance_face_finder_new(face_models().c_str(), finder.out()));
  const std::string bytes = bytes_of(photo());
  const auto json_of = [](const semblance_person* person) {
    Text text;
    EXPECT_OK(semblance_person_to_json(person, text.out()));
    return std::string(text.value == nullptr ? "" : text.value);
  };
  Person person;
  ASSERT_OK(semblance_face_finder_largest(finder, photo().c_str(), person.out()));
  const std::string expected = json_of(person);
  EXPECT_EQ(json::parse(expected)["embedding"].size(), 512U);
  ASSERT_OK(
      semblance_face_finder_largest_in_memory(finder, bytes.data(), bytes.size(), person.out()));
  EXPECT_EQ(json_of(person), expected);
  People people;
  ASSERT_OK(semblance_face_finder_all(finder, photo().c_str(), people.out()));
  ASSERT_EQ(semblance_people_count(people), 1U);
  EXPECT_EQ(json_of(semblance_people_at(people, 0)), expected);
  EXPECT_EQ(semblance_people_at(people, 1), nullptr);
  ASSERT_OK(semblance_face_finder_all_in_memory(finder, bytes.data(), bytes.size(), people.out()));
  EXPECT_EQ(json_of(semblance_people_at(people, 0)), expected);
}

TEST(CApiFaces, AreRefusedInInvalidPhotos) {
  FaceFinder finder;
  ASSERT_OK(semblance_face_finder_new(face_models().c_str(), finder.out()));
  Person person;
  const auto largest = [&](const std::string& bytes) {
    return semblance_face_finder_largest_in_memory(finder, bytes.data(), bytes.size(),
                                                   person.out());
  };
  expect_error(largest("no picture"), SEMBLANCE_ARGUMENT, "the photo");
  expect_error(largest(""), SEMBLANCE_CORRUPT, "the photo");
  expect_error(largest(bytes_of(photo()).substr(0, 5000)), SEMBLANCE_CORRUPT, "the photo");
  EXPECT_EQ(person.value, nullptr);
  expect_error(semblance_face_finder_largest(finder, "/nowhere.png", person.out()),
               SEMBLANCE_MISSING, "/nowhere.png");
  ASSERT_OK(semblance_face_finder_new("/nowhere", finder.out()));
  expect_error(semblance_face_finder_largest(finder, photo().c_str(), person.out()),
               SEMBLANCE_MISSING, "/nowhere");
}

int cancel_after_one(void* user, int, int) {
  ++*static_cast<int*>(user);
  return 7;
}

TEST_F(CApi, IsCancelledByItsCallbackAndResumedFromAFile) {
  Generation whole;
  start(whole);
  ASSERT_OK(semblance_generation_run(whole, nullptr, nullptr));
  Generation generation;
  start(generation);
  int calls = 0;
  expect_error(semblance_generation_run(generation, cancel_after_one, &calls), SEMBLANCE_CANCELLED,
               "cancelled after step 1 of 3: the step callback returned 7");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(semblance_generation_step(generation), 1);
  EXPECT_EQ(semblance_generation_run(generation, nullptr, nullptr), SEMBLANCE_CANCELLED);
  Picture picture;
  EXPECT_EQ(semblance_generation_picture(generation, picture.out()), SEMBLANCE_CANCELLED);

  ASSERT_OK(semblance_generation_save(generation, file("run").c_str()));
  ASSERT_OK(semblance_generator_resume(generator_, file("run").c_str(), generation.out()));
  EXPECT_EQ(semblance_generation_step(generation), 1);
  ASSERT_OK(semblance_generation_run(generation, nullptr, nullptr));
  ASSERT_OK(semblance_generation_picture(generation, picture.out()));
  Picture expected;
  ASSERT_OK(semblance_generation_picture(whole, expected.out()));
  EXPECT_TRUE(std::equal(semblance_picture_rgb(picture),
                         semblance_picture_rgb(picture) + 64 * 48 * 3,
                         semblance_picture_rgb(expected)));
  expect_error(semblance_generator_resume(generator_, "/nowhere", generation.out()),
               SEMBLANCE_MISSING, "/nowhere");
}

int set_flag(void* user, int, int) {
  static_cast<std::atomic<bool>*>(user)->store(true);
  return 0;
}

TEST_F(CApi, IsStoppedFromAnotherThread) {
  Generation generation;
  start(generation, R"({"prompt": "a man", "width": 64, "height": 48, "steps": 1000})");
  std::atomic<bool> began = false;
  std::jthread stopper([&] {
    while (!began) std::this_thread::yield();
    semblance_generation_stop(generation);
  });
  expect_error(semblance_generation_run(generation, set_flag, &began), SEMBLANCE_CANCELLED, "");
  EXPECT_GT(semblance_generation_step(generation), 0);
  EXPECT_LT(semblance_generation_step(generation), 1000);
}

TEST_F(CApi, GenerationOutlivesItsGenerator) {
  Generation generation;
  start(generation);
  semblance_generator_free(std::exchange(generator_.value, nullptr));
  ASSERT_OK(semblance_generation_run(generation, nullptr, nullptr));
  Picture picture;
  ASSERT_OK(semblance_generation_picture(generation, picture.out()));
}

TEST_F(CApi, LetsNoExceptionOut) {
  Generation generation;
  start(generation);
  const auto run = [&](semblance_step_callback on_step) {
    return semblance_generation_run(generation, on_step, nullptr);
  };
  expect_error(run([](void*, int, int) -> int { throw std::runtime_error("oh"); }),
               SEMBLANCE_INTERNAL, "internal error: oh");
  expect_error(run([](void*, int, int) -> int { throw std::bad_alloc(); }), SEMBLANCE_MEMORY,
               "the system is out of memory");
  expect_error(run([](void*, int, int) -> int { throw 5; }), SEMBLANCE_INTERNAL,
               "internal error: an exception of an unknown type");
  EXPECT_EQ(semblance_generation_step(generation), 3);
}

TEST(CApiErrors, AreKeptPerThread) {
  Person person;
  expect_error(semblance_person_load("/one", person.out()), SEMBLANCE_MISSING, "/one");
  std::thread([] {
    EXPECT_STREQ(semblance_error_text(), "");
    Person other;
    expect_error(semblance_person_load("/two", other.out()), SEMBLANCE_MISSING, "/two");
  }).join();
  EXPECT_NE(std::string(semblance_error_text()).find("/one"), std::string::npos);
}

}  // namespace
