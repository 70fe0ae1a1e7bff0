// The C API accepts NULL where its header says so and refuses it elsewhere.
#include "api/semblance_c_test.h"

namespace {

using namespace semblance_c_test;

void refuses(const char* argument, int code) {
  expect_error(code, SEMBLANCE_ARGUMENT, std::string(argument) + " must not be NULL");
}

TEST(CApiNull, IsAcceptedByFreesAndGetters) {
  semblance_free(nullptr);
  semblance_person_free(nullptr);
  semblance_people_free(nullptr);
  semblance_face_finder_free(nullptr);
  semblance_generator_free(nullptr);
  semblance_generation_free(nullptr);
  semblance_generation_stop(nullptr);
  semblance_picture_free(nullptr);
  EXPECT_EQ(semblance_people_count(nullptr), 0U);
  EXPECT_EQ(semblance_people_at(nullptr, 0), nullptr);
  EXPECT_EQ(semblance_generator_native_side(nullptr), 0);
  EXPECT_EQ(semblance_generation_step(nullptr), 0);
  EXPECT_EQ(semblance_generation_count(nullptr), 0);
  EXPECT_EQ(semblance_picture_width(nullptr), 0);
  EXPECT_EQ(semblance_picture_height(nullptr), 0);
  EXPECT_EQ(semblance_picture_rgb(nullptr), nullptr);
  EXPECT_EQ(semblance_picture_parameters(nullptr), nullptr);
}

TEST_F(CApi, RefusesNullForPeople) {
  FaceFinder finder, other;
  ASSERT_OK(semblance_face_finder_new("none", finder.out()));
  Person person;
  People people;
  Text text;
  refuses("path", semblance_person_load(nullptr, person.out()));
  refuses("person", semblance_person_load("x", nullptr));
  refuses("json", semblance_person_from_json(nullptr, person.out()));
  refuses("person", semblance_person_from_json("{}", nullptr));
  refuses("person", semblance_person_save(nullptr, "x"));
  refuses("path", semblance_person_save(person_, nullptr));
  const semblance_person* const photos[] = {person_};
  double likeness = 0;
  refuses("photos", semblance_person_join(nullptr, 1, person.out()));
  refuses("person", semblance_person_join(photos, 1, nullptr));
  refuses("a", semblance_person_likeness(nullptr, person_, &likeness));
  refuses("b", semblance_person_likeness(person_, nullptr, &likeness));
  refuses("likeness", semblance_person_likeness(person_, person_, nullptr));
  refuses("person", semblance_person_to_json(nullptr, text.out()));
  refuses("json", semblance_person_to_json(person_, nullptr));
  refuses("folder", semblance_face_finder_new(nullptr, other.out()));
  refuses("finder", semblance_face_finder_new("x", nullptr));
  refuses("detector", semblance_face_finder_new_from_files(nullptr, "x", other.out()));
  refuses("recogniser", semblance_face_finder_new_from_files("x", nullptr, other.out()));
  refuses("finder", semblance_face_finder_new_from_files("x", "x", nullptr));
  refuses("finder", semblance_face_finder_all(nullptr, "x", people.out()));
  refuses("path", semblance_face_finder_all(finder, nullptr, people.out()));
  refuses("finder", semblance_face_finder_likeness(nullptr, nullptr, person_, &likeness));
  refuses("picture", semblance_face_finder_likeness(finder, nullptr, person_, &likeness));
  refuses("people", semblance_face_finder_all(finder, "x", nullptr));
  refuses("finder", semblance_face_finder_all_in_memory(nullptr, "x", 1, people.out()));
  refuses("photo", semblance_face_finder_all_in_memory(finder, nullptr, 1, people.out()));
  refuses("people", semblance_face_finder_all_in_memory(finder, "x", 1, nullptr));
  refuses("finder", semblance_face_finder_largest(nullptr, "x", person.out()));
  refuses("path", semblance_face_finder_largest(finder, nullptr, person.out()));
  refuses("person", semblance_face_finder_largest(finder, "x", nullptr));
  refuses("finder", semblance_face_finder_largest_in_memory(nullptr, "x", 1, person.out()));
  refuses("photo", semblance_face_finder_largest_in_memory(finder, nullptr, 1, person.out()));
  refuses("person", semblance_face_finder_largest_in_memory(finder, "x", 1, nullptr));
}

TEST_F(CApi, RefusesNullForGenerators) {
  Generator generator;
  Generation other;
  Text text;
  refuses("models", semblance_generator_new(nullptr, generator.out()));
  refuses("generator", semblance_generator_new("{}", nullptr));
  refuses("generator", semblance_generator_plan(nullptr, "{}", text.out()));
  refuses("settings", semblance_generator_plan(generator_, nullptr, text.out()));
  refuses("plan", semblance_generator_plan(generator_, "{}", nullptr));
  refuses("generator", semblance_generator_start(nullptr, person_, "{}", nullptr, other.out()));
  refuses("person", semblance_generator_start(generator_, nullptr, "{}", nullptr, other.out()));
  refuses("settings",
          semblance_generator_start(generator_, person_, nullptr, nullptr, other.out()));
  refuses("generation", semblance_generator_start(generator_, person_, "{}", nullptr, nullptr));
  refuses("picture", semblance_generator_start_from(generator_, person_, "{}", nullptr, nullptr, 4,
                                                    nullptr, 0, other.out()));
  refuses("picture",
          semblance_generator_resume_from(generator_, "x", nullptr, 4, "", 0, other.out()));
  refuses("mask", semblance_generator_resume_from(generator_, "x", "", 0, nullptr, 4, other.out()));
  refuses("generator", semblance_generator_resume(nullptr, "x", other.out()));
  refuses("path", semblance_generator_resume(generator_, nullptr, other.out()));
  refuses("generation", semblance_generator_resume(generator_, "x", nullptr));
}

TEST_F(CApi, RefusesNullForPictures) {
  Generation generation;
  start(generation);
  Picture held, picture;
  ASSERT_OK(semblance_generation_picture(generation, held.out()));
  Text text;
  Bytes bytes;
  size_t length = 0;
  int computed = 0;
  refuses("generation", semblance_generation_warnings(nullptr, text.out()));
  refuses("warnings", semblance_generation_warnings(generation, nullptr));
  refuses("generation", semblance_generation_run(nullptr, nullptr, nullptr));
  refuses("generation", semblance_generation_next(nullptr, &computed));
  refuses("computed", semblance_generation_next(generation, nullptr));
  refuses("generation", semblance_generation_picture(nullptr, picture.out()));
  refuses("picture", semblance_generation_picture(generation, nullptr));
  refuses("finder", semblance_generation_refined_picture(generation, nullptr, picture.out()));
  refuses("generation", semblance_generation_save(nullptr, "x"));
  refuses("path", semblance_generation_save(generation, nullptr));
  refuses("picture", semblance_picture_set_parameters(nullptr, ""));
  refuses("parameters", semblance_picture_set_parameters(held, nullptr));
  refuses("picture", semblance_picture_encode(nullptr, SEMBLANCE_PNG, bytes.out(), &length));
  refuses("bytes", semblance_picture_encode(held, SEMBLANCE_PNG, nullptr, &length));
  refuses("length", semblance_picture_encode(held, SEMBLANCE_PNG, bytes.out(), nullptr));
  refuses("picture", semblance_picture_save(nullptr, "x.png"));
  refuses("path", semblance_picture_save(held, nullptr));
  EXPECT_EQ(semblance_generation_step(generation), 0);
}

}  // namespace
