// --mask as a user gives it: a part of a picture is repainted.
#include "cli/program_test.h"
#include "image/decode.h"
#include "image/encode.h"
#include "image/mask.h"

namespace semblance::cli {
namespace {

/// A picture of w x h pixels and a mask with a white rectangle.
class Repaint : public ProgramTest {
 protected:
  Repaint() { fs::current_path(folder()); }
  ~Repaint() override { fs::current_path("/"); }

  void write_picture(const std::string& name, Size size) {
    Image picture(size);
    for (int y = 0; y < size.h; ++y) {
      for (int i = 0; i < 3 * size.w; ++i)
        picture.row(y)[i] = static_cast<std::uint8_t>(7 * i + 11 * y);
    }
    write_image(picture, file(name), {});
  }
  void write_mask(const std::string& name, Size size, const PixelBox& white) {
    Image mask(size);
    for (int y = white.top; y < white.bottom; ++y)
      std::fill(mask.row(y) + 3 * white.left, mask.row(y) + 3 * white.right, std::uint8_t{255});
    write_image(mask, file(name), {});
  }
  std::vector<std::string> from(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words =
        generate({"--init", file("in.png"), "--mask", file("mask.png"), "--pose", identity()});
    const auto size = std::ranges::find(words, "--size");
    if (size != words.end()) words.erase(size, size + 2);
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::string made(const std::vector<std::string>& words) {
    run(words).exits(0);
    return bytes_of(file("out.png"));
  }
  /// Expects that pixels outside `part` are those of the picture, and counts the others inside.
  int changed_inside(const PixelBox& part) {
    const Image before = decode(file("in.png")), after = decode(file("out.png"));
    EXPECT_EQ(after.size(), before.size());
    int changed = 0;
    for (int y = 0; y < before.height(); ++y) {
      for (int x = 0; x < before.width(); ++x) {
        const bool is_same =
            std::equal(before.row(y) + 3 * x, before.row(y) + 3 * x + 3, after.row(y) + 3 * x);
        const bool is_inside = x >= part.left && x < part.right && y >= part.top && y < part.bottom;
        if (!is_inside && !is_same) ADD_FAILURE() << x << "," << y, x = before.width();
        if (is_inside && !is_same) ++changed;
      }
    }
    return changed;
  }
};

TEST_F(Repaint, KeepsEveryPixelOutsideTheMask) {
  write_picture("in.png", {96, 80});
  write_mask("mask.png", {96, 80}, {20, 30, 60, 70});
  const std::string hard = made(from({"--steps", "4", "--mask-blur", "0"}));
  EXPECT_GT(changed_inside({20, 30, 60, 70}), 1200);
  // A blur of 2 reaches 5 pixels.
  EXPECT_NE(made(from({"--steps", "4", "--mask-blur", "2"})), hard);
  EXPECT_GT(changed_inside({15, 25, 65, 75}), 1600);
  EXPECT_NE(hard.find("Denoising strength: 0.8"), std::string::npos);
  EXPECT_NE(hard.find("Mask blur: 0"), std::string::npos);
  EXPECT_EQ(made(from({"--steps", "4", "--mask-blur", "0"})), hard);
  EXPECT_NE(made(from({"--steps", "4", "--mask-blur", "0", "--masked-content", "noise"})), hard);
}

TEST_F(Repaint, ComputesTheMasksSurroundingsAlone) {
  // Larger than could be computed at once in the memory given, and no multiple of 8.
  write_picture("in.png", {1203, 901});
  write_mask("mask.png", {1203, 901}, {700, 300, 760, 380});
  const std::vector<std::string> flags{"--inpaint-area", "masked", "--inpaint-padding", "24",
                                       "--size",         "64x80",  "--mask-blur",       "3",
                                       "--json"};
  const std::string told = run(from(flags)).exits(0).out();
  EXPECT_NE(told.find("\"width\":1203"), std::string::npos) << told;
  EXPECT_NE(told.find("\"height\":901"), std::string::npos) << told;
  EXPECT_GT(changed_inside({692, 292, 768, 388}), 4000);
}

TEST_F(Repaint, GivesTheSameBitsInLittleMemoryAndAfterAStop) {
  write_picture("in.png", {96, 80});
  write_mask("mask.png", {96, 80}, {20, 30, 60, 70});
  const std::vector<std::string> flags{"--steps", "8", "--scheduler", "euler_a"};
  const std::string all = made(from(flags));
  std::vector<std::string> asked = from(flags);
  asked[0] = "plan";
  asked.emplace_back("--json");
  const std::string report = run(asked).exits(0).out();
  const std::size_t least = report.find("\"minimum_bytes\":");
  ASSERT_NE(least, std::string::npos);
  std::vector<std::string> little = flags;
  // The program's own memory differs by some pages from run to run.
  const std::uint64_t bytes = std::stoull(report.substr(least + 16)) + (1 << 20);
  little.insert(little.end(), {"--memory", std::to_string(bytes) + "B"});
  EXPECT_TRUE(made(from(little)) == all);

  std::vector<std::string> saving = flags;
  saving.insert(saving.end(), {"--save-state", file("state"), "--steps", "60", "--images", "2"});
  run(from(saving)).exits(0);
  const std::string first = bytes_of(file("out-1.png")), second = bytes_of(file("out-2.png"));
  fs::remove(file("out-1.png"));
  fs::remove(file("out-2.png"));
  Running running = start(from(saving));
  while (!fs::exists(file("state"))) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  running.signal(SIGTERM);
  running.end().exits(130);
  run({"generate", "--resume", file("state")}).exits(0);
  EXPECT_TRUE(bytes_of(file("out-1.png")) == first);
  EXPECT_TRUE(bytes_of(file("out-2.png")) == second);
}

TEST_F(Repaint, RefusesMasksThatCannotBe) {
  write_picture("in.png", {96, 80});
  write_mask("mask.png", {96, 88}, {0, 0, 10, 10});
  run(from()).exits(2).says(
      "cannot take the mask: expected one of 96x80, as the picture, got 96x88");
  write_mask("mask.png", {96, 80}, {0, 0, 0, 0});
  run(from()).exits(2).says("cannot take the mask: it is black all over\n  paint white what is to");
  write_mask("mask.png", {96, 80}, {0, 0, 96, 80});
  run(from()).exits(2).says("cannot take the mask: it is white all over\n  leave it out");
  write_bytes(file("mask.png"), "not a picture");
  run(from()).exits(2).says("mask.png");
  fs::remove(file("mask.png"));
  run(from()).exits(3).says("mask.png");
  run(generate({"--mask", file("in.png")}))
      .exits(2)
      .says("cannot take --mask: there is no picture to repaint\n  give one with --init");
  run(from({"--inpaint-area", "half"})).exits(2).says("expected one of whole, masked");
  run(from({"--mask-blur", "65"})).exits(2).says("expected a whole number from 0 to 64");
  EXPECT_FALSE(fs::exists(file("out.png")));
}

}  // namespace
}  // namespace semblance::cli
