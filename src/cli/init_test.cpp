// --init as a user gives it: a picture to start from.
#include "cli/program_test.h"
#include "image/decode.h"
#include "image/encode.h"

namespace semblance::cli {
namespace {

class Init : public ProgramTest {
 protected:
  Init() { fs::current_path(folder()); }
  ~Init() override { fs::current_path("/"); }

  static std::string picture() { return (golden() / "from_picture/initial.png").string(); }
  /// generate() from the picture, whose size is the new one's.
  std::vector<std::string> from(const std::string& path,
                                const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = generate({"--init", path, "--pose", identity()});
    const auto size = std::ranges::find(words, "--size");
    if (size != words.end()) words.erase(size, size + 2);
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::string out() const { return bytes_of(file("out.png")); }
  std::string made(const std::vector<std::string>& words) {
    run(words).exits(0);
    return out();
  }
};

TEST_F(Init, StartsFromThePicture) {
  const std::string with = made(from(picture(), {"--steps", "5", "--strength", "0.6"}));
  EXPECT_EQ(decode(file("out.png")).size(), decode(picture()).size());
  EXPECT_NE(with.find("Denoising strength: 0.6"), std::string::npos);
  EXPECT_EQ(made(from(picture(), {"--steps", "5", "--strength", "0.6"})), with);
  EXPECT_NE(made(from(picture(), {"--steps", "5", "--strength", "0.8"})), with);
  EXPECT_NE(made(from(picture(), {"--steps", "5"})).find("Denoising strength: 0.8"),
            std::string::npos);
  // 100 x 75 becomes 96 x 72.
  Image odd({100, 75});
  write_image(odd, file("odd.png"), {});
  made(from(file("odd.png")));
  EXPECT_EQ(decode(file("out.png")).size(), (Size{96, 72}));
  made(from(picture(), {"--size", "64x80"}));
  EXPECT_EQ(decode(file("out.png")).size(), (Size{64, 80}));
}

TEST_F(Init, GivesTheSameBitsInLittleMemoryAndAfterAStop) {
  const std::vector<std::string> flags{"--steps", "8", "--scheduler", "euler_a"};
  const std::string all = made(from(picture(), flags));
  std::vector<std::string> asked = from(picture(), flags);
  asked[0] = "plan";
  asked.emplace_back("--json");
  const std::string report = run(asked).exits(0).out();
  EXPECT_NE(report.find("\"encoder\""), std::string::npos);
  const std::size_t least = report.find("\"minimum_bytes\":");
  ASSERT_NE(least, std::string::npos);
  std::vector<std::string> little = flags;
  // The program's own memory differs by some pages from run to run.
  const std::uint64_t bytes = std::stoull(report.substr(least + 16)) + (1 << 20);
  little.insert(little.end(), {"--memory", std::to_string(bytes) + "B"});
  EXPECT_TRUE(made(from(picture(), little)) == all);

  std::vector<std::string> saving = flags;
  saving.insert(saving.end(), {"--save-state", file("state"), "--steps", "60"});
  const std::string whole = made(from(picture(), saving));
  fs::remove(file("out.png"));
  Running running = start(from(picture(), saving));
  while (!fs::exists(file("state"))) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  running.signal(SIGTERM);
  running.end().exits(130);
  run({"generate", "--resume", file("state")}).exits(0);
  EXPECT_TRUE(out() == whole);
}

TEST_F(Init, ExtendsThePicture) {
  Image scene({64, 48});
  for (int y = 0; y < 48; ++y) {
    for (int x = 0; x < 3 * 64; ++x) scene.row(y)[x] = static_cast<std::uint8_t>(x + 2 * y);
  }
  write_image(scene, file("scene.png"), {});
  const std::vector<std::string> flags{"--extend-right", "32", "--extend-top", "16",
                                       "--mask-blur",    "0",  "--steps",      "4"};
  const std::string whole = made(from(file("scene.png"), flags));
  const Image wide = decode(file("out.png"));
  ASSERT_EQ(wide.size(), (Size{96, 64}));
  std::set<std::uint8_t> painted;
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 96; ++x) {
      if (x >= 64 || y < 16) {
        painted.insert(wide.row(y)[3 * x]);
      } else {
        ASSERT_EQ(wide.row(y)[3 * x], scene.row(y - 16)[3 * x]) << x << "," << y;
      }
    }
  }
  EXPECT_GT(painted.size(), 10U);
  EXPECT_NE(whole.find("Extend top: 16, Extend right: 32"), std::string::npos);
  EXPECT_EQ(whole.find("Mask: on"), std::string::npos);
  // The same by hand: a larger picture and a mask.
  Image larger({96, 64}), mask({96, 64});
  for (int y = 0; y < 64; ++y) {
    std::fill_n(mask.row(y), mask.row_bytes(), std::uint8_t{255});
    if (y < 16) continue;
    std::copy_n(scene.row(y - 16), scene.row_bytes(), larger.row(y));
    std::fill_n(mask.row(y), 3 * 64, std::uint8_t{0});
  }
  write_image(larger, file("larger.png"), {});
  write_image(mask, file("mask.png"), {});
  made(from(file("larger.png"), {"--mask", file("mask.png"), "--masked-content", "fill",
                                 "--mask-blur", "0", "--steps", "4"}));
  EXPECT_TRUE(std::ranges::equal(decode(file("out.png")).pixels(), wide.pixels()));
  // Of the part alone, and after a stop.
  made(from(file("scene.png"), {"--extend-right", "32", "--inpaint-area", "masked"}));
  EXPECT_EQ(decode(file("out.png")).size(), (Size{96, 48}));
  run(generate({"--extend-left", "8"}))
      .exits(2)
      .says("cannot take --extend-left: there is no picture to extend\n  give one with --init");
  run(from(file("larger.png"), {"--mask", file("mask.png"), "--extend-left", "8"}))
      .exits(2)
      .says("cannot take the mask: the picture is extended, and what is new is the mask");
  run(from(file("scene.png"), {"--extend-left", "12"}))
      .exits(2)
      .says("cannot take --extend-left: expected a multiple of 8 from 0 to 4096");
}

TEST_F(Init, SaysThatTransparencyIsDropped) {
  const fs::path transparent = testing::golden_path("image/decode/lossy_alpha.webp");
  made(from(transparent.string(), {"--size", "64x48"}));
  run(from(transparent.string(), {"--size", "64x48"}))
      .exits(0)
      .says("the picture to start from is partly transparent: the colours beneath are used");
  EXPECT_EQ(run(from(picture())).exits(0).err().find("transparent"), std::string::npos);
}

TEST_F(Init, RefusesWhatItCannotStartFrom) {
  run(generate({"--strength", "0.5"}))
      .exits(2)
      .says("cannot take --strength: there is no picture to start from\n  give one with --init");
  run(from(picture(), {"--strength", "1.5"})).exits(2).says("expected a number from 0 to 1");
  run(from(picture(), {"--strength", "0", "--steps", "30"}))
      .exits(2)
      .says(
          "cannot start from a picture with strength 0: of 30 steps none is left\n  use a strength "
          "of at least 0.034");
  write_bytes(file("text.png"), "not a picture");
  run(from(file("text.png"))).exits(2).says("text.png");
  run(from(file("none.png"))).exits(3).says("none.png");
  write_image(Image({20000, 8}), file("wide.png"), {});
  run(from(file("wide.png")))
      .exits(2)
      .says("cannot start from a picture of 20000x8: expected sides of at most 8192 pixels");
  // The face is where the picture's own is, which needs face models to find.
  std::vector<std::string> unposed = generate({"--init", picture()});
  run(unposed).exits(2).says("--init: ").says("finding its face needs face models");
  EXPECT_FALSE(fs::exists(file("out.png")));
}

}  // namespace
}  // namespace semblance::cli
