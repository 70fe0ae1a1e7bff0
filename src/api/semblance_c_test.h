// For tests of the C API: handles that free themselves, and a fixture with a generator and a
// person.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "semblance/semblance_c.h"

namespace semblance_c_test {

namespace fs = std::filesystem;
using nlohmann::json;

inline constexpr const char* kSettings =
    R"({"prompt": "a man", "width": 64, "height": 48, "steps": 3, "seed": 5})";

inline fs::path source() { return SEMBLANCE_SOURCE_DIR; }
inline fs::path golden() { return source() / "tests/goldens/pipeline/fp16_published"; }
inline std::string identity() { return (golden() / "plain/identity.json").string(); }
inline std::string photo() { return (source() / "models/demo/faces/03.png").string(); }
inline std::string face_models() { return (source() / "models/demo/face-models").string(); }

inline json models() {
  const fs::path checkpoint = golden() / "checkpoint";
  return {{"base", (checkpoint / "base").string()},
          {"identitynet", (checkpoint / "identitynet").string()},
          {"adapter", (checkpoint / "ip-adapter.bin").string()},
          {"precision", "f32"}};
}

inline std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Owns a handle.
template <typename T, void (*kFree)(T*)>
struct Handle {
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { kFree(value); }
  /// For a function that returns a handle through a pointer; frees the previous one.
  T** out() {
    kFree(std::exchange(value, nullptr));
    return &value;
  }
  operator T*() const { return value; }
  T* value = nullptr;
};
using Person = Handle<semblance_person, semblance_person_free>;
using People = Handle<semblance_people, semblance_people_free>;
using FaceFinder = Handle<semblance_face_finder, semblance_face_finder_free>;
using Generator = Handle<semblance_generator, semblance_generator_free>;
using Generation = Handle<semblance_generation, semblance_generation_free>;
using Picture = Handle<semblance_picture, semblance_picture_free>;

inline void free_text(char* text) { semblance_free(text); }
using Text = Handle<char, free_text>;
inline void free_bytes(unsigned char* bytes) { semblance_free(bytes); }
using Bytes = Handle<unsigned char, free_bytes>;

/// The call must return `expected` and set an error text that contains `part`.
inline void expect_error(int code, int expected, const std::string& part) {
  EXPECT_EQ(code, expected) << semblance_error_text();
  EXPECT_NE(std::string(semblance_error_text()).find(part), std::string::npos)
      << semblance_error_text() << "\nshould contain: " << part;
}
#define EXPECT_OK(call) EXPECT_EQ(call, SEMBLANCE_OK) << semblance_error_text()
#define ASSERT_OK(call) ASSERT_EQ(call, SEMBLANCE_OK) << semblance_error_text()

/// Has a generator and a person.
class CApi : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("semblance_c_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    ASSERT_OK(semblance_generator_new(models().dump().c_str(), generator_.out()));
    ASSERT_OK(semblance_person_load(identity().c_str(), person_.out()));
  }
  ~CApi() override { fs::remove_all(folder_); }

  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  void start(Generation& generation, const char* settings = kSettings) {
    ASSERT_OK(semblance_generator_start(generator_, person_, settings, nullptr, generation.out()));
  }

  Generator generator_;
  Person person_;

 private:
  fs::path folder_;
};

}  // namespace semblance_c_test
