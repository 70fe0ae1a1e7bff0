// Outputs that are not regular files, and files that only their owner may read.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <future>

#include "cli/serve_test.h"

namespace semblance::cli {
namespace {

class OutputPlaces : public ServeTest {
 protected:
  static mode_t mode_of(const fs::path& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 0777U;
  }
};

TEST_F(OutputPlaces, APipeReceivesThePicture) {
  run(generate()).exits(0);
  ASSERT_EQ(::mkfifo(file("pipe.png").c_str(), 0600), 0);
  auto reader = std::async(std::launch::async, [&] { return bytes_of(file("pipe.png")); });
  run(generate({"-o", file("pipe.png")})).exits(0);
  EXPECT_EQ(reader.get(), bytes_of(file("out.png")));
  EXPECT_TRUE(fs::is_fifo(file("pipe.png")));
}

TEST_F(OutputPlaces, EveryOutputFlagCanWriteToADevice) {
  for (const char* name : {"null.png", "null.npy", "null"}) {
    if (::mknod(file(name).c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0)
      GTEST_SKIP() << "needs root";
  }
  run(generate({"-o", file("null.png"), "--latents", file("null.npy"), "--trace", file("null")}))
      .exits(0);
  for (const char* name : {"null.png", "null.npy", "null"})
    EXPECT_TRUE(fs::is_character_file(file(name))) << name;
}

TEST_F(OutputPlaces, StateNeedsARegularFile) {
  run(generate({"--save-state", "/dev/null"}))
      .exits(2)
      .says(
          "cannot take --save-state: expected a file that --resume can read, got the device or "
          "pipe /dev/null");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_FALSE(fs::exists(file("out.png")));
}

TEST_F(OutputPlaces, WritingStateThroughALinkKeepsTheLink) {
  fs::create_symlink("state", file("link"));
  run(generate({"--save-state", file("link")})).exits(0);
  EXPECT_TRUE(fs::is_symlink(file("link")));
  EXPECT_FALSE(fs::exists(file("state")));
  fs::create_symlink(file("out.png"), file("picture"));
  run(generate({"--save-state", file("picture")})).exits(2).says("is also the path of a picture");
}

TEST_F(OutputPlaces, OnlyTheOwnerCanReadStates) {
  Running running = start(generate({"--steps", "100", "--save-state", file("state")}));
  ASSERT_TRUE(running.waits_for_file(file("state")));
  running.signal(SIGTERM);
  running.end().exits(130);
  EXPECT_EQ(mode_of(file("state")), 0600U);
}

TEST_F(OutputPlaces, OnlyTheOwnerCanReadTheServicesFiles) {
  Service service = serve();
  const std::string id = service.submit(Service::settings(64, 2));
  EXPECT_EQ(service.ended(id)["state"], "done");
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(file("data"))) {
    EXPECT_EQ(mode_of(entry.path()) & 077U, 0U) << entry.path();
    files += entry.is_regular_file();
  }
  EXPECT_GE(files, 3);  // the lock, the database, the picture
}

TEST_F(OutputPlaces, ALongNameWorksOrIsRefusedBeforeTheFirstStep) {
  const std::string longest = file(std::string(251, 'a') + ".png");
  run(generate({"-o", longest})).exits(0);
  EXPECT_TRUE(fs::exists(longest));
  run(generate({"-o", longest, "--images", "2"})).exits(7).says("File name too long");
}

}  // namespace
}  // namespace semblance::cli
