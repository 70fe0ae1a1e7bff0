// --hires as a user gives it: a second pass that enlarges the picture.
#include "cli/program_test.h"
#include "image/decode.h"

namespace semblance::cli {
namespace {

class Hires : public ProgramTest {
 protected:
  Hires() { fs::current_path(folder()); }
  ~Hires() override { fs::current_path("/"); }

  std::vector<std::string> enlarged(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = generate(
        {"--steps", "5", "--scheduler", "euler_a", "--hires", "1.5", "--hires-strength", "0.6"});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::string out() const { return bytes_of(file("out.png")); }
};

TEST_F(Hires, IsWhatARunFromTheEnlargedPictureMakes) {
  run(generate({"--steps", "5", "--scheduler", "euler_a", "-o", file("first.png")})).exits(0);
  run(generate({"--steps", "5", "--scheduler", "euler_a", "--init", file("first.png"), "--pose",
                identity(), "--size", "96x72", "--strength", "0.6", "-o", file("second.png")}))
      .exits(0);
  run(enlarged()).exits(0).says("96 x 72");
  const Image picture = decode(file("out.png"));
  EXPECT_EQ(picture.size(), (Size{96, 72}));
  EXPECT_TRUE(std::ranges::equal(picture.pixels(), decode(file("second.png")).pixels()));
  EXPECT_NE(out().find("Size: 64x48"), std::string::npos);
  EXPECT_NE(out().find("Hires upscale: 1.5, Hires strength: 0.6"), std::string::npos);
}

TEST_F(Hires, GivesTheSameBitsInLittleMemoryAndAfterAStop) {
  run(enlarged()).exits(0);
  const std::string whole = out();
  std::vector<std::string> asked = enlarged({"--json"});
  asked[0] = "plan";
  const std::string report = run(asked).exits(0).out();
  EXPECT_NE(report.find("\"enlarging\""), std::string::npos);
  const std::size_t least = report.find("\"minimum_bytes\":");
  ASSERT_NE(least, std::string::npos);
  // The program's own memory differs by some pages from run to run.
  const std::uint64_t bytes = std::stoull(report.substr(least + 16)) + (1 << 20);
  run(enlarged({"--memory", std::to_string(bytes) + "B"})).exits(0);
  EXPECT_TRUE(out() == whole);

  const std::vector<std::string> flags{"--steps", "60", "--save-state", file("state")};
  run(enlarged(flags)).exits(0);
  const std::string longer = out();
  for (const int pass : {0, 1}) {
    fs::remove(file("out.png"));
    Running running = start(enlarged(flags));
    if (pass == 0) {
      while (!fs::exists(file("state"))) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    } else {
      const std::string second_pass = R"(\"pass\":1)";
      while (!fs::exists(file("state")) ||
             bytes_of(file("state")).find(second_pass) == std::string::npos)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    running.signal(SIGTERM);
    running.end().exits(130);
    run({"generate", "--resume", file("state")}).exits(0);
    EXPECT_TRUE(out() == longer) << pass;
  }
}

TEST_F(Hires, RefusesWhatItCannotEnlarge) {
  const std::string picture = (golden() / "from_picture/initial.png").string();
  run(enlarged({"--init", picture, "--pose", identity()}))
      .exits(2)
      .says("cannot take --hires: expected 1 with a picture to start from, got 1.5");
  run(enlarged({"--hires", "4", "--size", "4096x64"}))
      .exits(2)
      .says(
          "cannot take --hires: expected a picture with sides of at most 8192 pixels, got one of "
          "16384x256");
  run(enlarged({"--hires", "0.5"})).exits(2).says("expected a number from 1 to 4, got 0.5");
  run(enlarged({"--hires-strength", "0"}))
      .exits(2)
      .says("cannot start from a picture with strength 0: of 5 steps none is left");
  EXPECT_FALSE(fs::exists(file("out.png")));
}

}  // namespace
}  // namespace semblance::cli
