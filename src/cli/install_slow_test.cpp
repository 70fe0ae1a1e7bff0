// The installed files suffice to build and run a program against the library.
#include <cstdlib>

#include "cli/program_test.h"

namespace semblance::cli {
namespace {

class Installed : public ProgramTest {
 protected:
  /// Runs a shell command; prints its output on failure.
  void shell(const std::string& command) {
    const int status = std::system((command + " >" + file("shell.txt") + " 2>&1").c_str());
    ASSERT_EQ(status, 0) << command << '\n' << bytes_of(file("shell.txt"));
  }
};

TEST_F(Installed, BuildsAnExternalProject) {
  const std::string prefix = file("prefix");
  ASSERT_NO_FATAL_FAILURE(shell("cmake --install " SEMBLANCE_BUILD_DIR " --prefix " + prefix));
  ASSERT_NO_FATAL_FAILURE(shell(prefix + "/bin/semblance --version"));
  ASSERT_NO_FATAL_FAILURE(shell("cmake -S " + prefix + "/share/doc/semblance/examples -B " +
                                file("build") + " -DCMAKE_PREFIX_PATH=" + prefix));
  ASSERT_NO_FATAL_FAILURE(shell("cmake --build " + file("build")));
  // The same with pkg-config, which finds everything below --prefix.
  const std::string settings = "PKG_CONFIG_PATH=$(dirname $(find " + prefix +
                               " -name semblance.pc)) pkg-config --cflags --libs semblance";
  ASSERT_NO_FATAL_FAILURE(shell("c++ -std=c++20 " + prefix +
                                "/share/doc/semblance/examples/portrait.cpp -o " +
                                file("by_pkg_config") + " $(" + settings + ")"));
  ASSERT_NO_FATAL_FAILURE(shell("cc -std=c99 " + prefix +
                                "/share/doc/semblance/examples/portrait_c.c -o " +
                                file("c_by_pkg_config") + " $(" + settings + ")"));
  // A project in C alone.
  fs::create_directory(folder() / "c");
  write_bytes(folder() / "c" / "CMakeLists.txt",
              "cmake_minimum_required(VERSION 3.22)\nproject(c_alone LANGUAGES C)\n"
              "find_package(semblance REQUIRED)\nadd_executable(portrait_c " +
                  prefix +
                  "/share/doc/semblance/examples/portrait_c.c)\n"
                  "target_link_libraries(portrait_c semblance::semblance)\n");
  ASSERT_NO_FATAL_FAILURE(
      shell("cmake -S " + file("c") + " -B " + file("c/build") + " -DCMAKE_PREFIX_PATH=" + prefix));
  ASSERT_NO_FATAL_FAILURE(shell("cmake --build " + file("c/build")));
  const fs::path models = golden() / "checkpoint";
  Running portrait({file("build/portrait"), (models / "base").string(),
                    (models / "identitynet").string(), testing::adapter_in(models).string(),
                    identity(), file("portrait.png"), "a man in the snow", "64", "48", "2"},
                   folder() / "logs");
  portrait.end().exits(0);
  EXPECT_TRUE(fs::exists(file("portrait.png")));
}

}  // namespace
}  // namespace semblance::cli
