#include "cli/outputs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "cli/run_state.h"
#include "memory/file.h"

namespace semblance::cli {
namespace {

TEST(Outputs, AreNumberedAfterTheStem) {
  const auto paths = numbered("a.b/out.v2.png", 3);
  ASSERT_EQ(paths.size(), 3U);
  EXPECT_EQ(paths[0], "a.b/out.v2.png");
  EXPECT_EQ(paths[1], "a.b/out.v2-2.png");
  EXPECT_EQ(paths[2], "a.b/out.v2-3.png");
}

TEST(Outputs, StateBesideALongNameGetsAShortenedName) {
  EXPECT_EQ(default_state_path("a/out.png"), "a/out.png.resume");
  const std::string longest(248, 'a');
  EXPECT_EQ(default_state_path("b/" + longest), "b/" + longest + ".resume");
  EXPECT_EQ(default_state_path("b/" + longest + ".png"), "b/" + longest + ".resume");
  // Never cut within a UTF-8 character.
  EXPECT_EQ(default_state_path(longest.substr(1) + "\u00e9.png"), longest.substr(1) + ".resume");
}

TEST(Outputs, NpyHasShapeAndValues) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("semblance_npy_" + std::to_string(getpid()) + ".npy");
  OutputFile file(path);
  write_npy(file, {1, 2}, {1.5F, -2.0F});
  EXPECT_FALSE(std::filesystem::exists(path));
  file.commit();
  const std::string bytes = read_small_file(path, 4096);
  std::filesystem::remove(path);
  ASSERT_EQ(bytes.size(), 128U + 8U);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_EQ(static_cast<unsigned char>(bytes[8]), 118U);
  EXPECT_NE(bytes.find("'shape': (1, 2)"), std::string::npos);
  EXPECT_EQ(bytes.substr(128), std::string("\x00\x00\xc0\x3f\x00\x00\x00\xc0", 8));
}

}  // namespace
}  // namespace semblance::cli
