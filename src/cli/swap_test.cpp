// semblance swap: a person in place of a face in a picture. With the demo model, whose face models
// find drawn faces.
#include "cli/program_test.h"
#include "image/decode.h"
#include "image/encode.h"
#include "image/resize.h"

namespace semblance::cli {
namespace {

class Swap : public ProgramTest {
 protected:
  Swap() { fs::current_path(folder()); }
  ~Swap() override { fs::current_path("/"); }

  static std::string drawn(const char* number) {
    return (fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo/faces" / number).string();
  }
  /// Two faces side by side, the left one larger.
  void write_group() {
    Image group({640, 400});
    std::ranges::fill(group.pixels(), std::uint8_t{120});
    int left = 10;
    for (const auto& [number, side] : {std::pair{"01.png", 360}, {"03.png", 240}}) {
      const Image face = resize(decode(drawn(number)), {side, side}, Filter::kLanczos);
      for (int y = 0; y < side; ++y)
        std::copy_n(face.row(y), face.row_bytes(), group.row(20 + y) + std::ptrdiff_t{3} * left);
      left += side + 10;
    }
    write_image(group, file("group.png"), {});
  }
  std::vector<std::string> swap(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{
        "swap",    file("group.png"), "--face", drawn("02.png"), "--size",
        "128x128", "--steps",         "3",      "--seed",        "1",
        "-o",      file("out.png")};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// The columns in which the result differs from the picture, from the first to the last.
  std::pair<int, int> changed_columns() {
    const Image before = decode(file("group.png")), after = decode(file("out.png"));
    EXPECT_EQ(after.size(), before.size());
    std::pair<int, int> found{before.width(), -1};
    for (int y = 0; y < before.height(); ++y) {
      for (int x = 0; x < before.width(); ++x) {
        if (std::equal(before.row(y) + 3 * x, before.row(y) + 3 * x + 3, after.row(y) + 3 * x))
          continue;
        found = {std::min(found.first, x), std::max(found.second, x)};
      }
    }
    return found;
  }
};

TEST_F(Swap, RepaintsOneFaceAndNothingElse) {
  write_group();
  run(swap()).exits(0).says("2 faces");
  const auto [left, right] = changed_columns();
  EXPECT_GT(left, 10);
  EXPECT_LT(right, 370);
  EXPECT_GT(right - left, 120);
  const std::string largest = bytes_of(file("out.png"));
  EXPECT_NE(largest.find("Inpaint area: masked"), std::string::npos);
  run(swap({"--pick", "2"})).exits(0);
  const auto [first, last] = changed_columns();
  EXPECT_GT(first, 380);
  EXPECT_LT(last, 620);
  // The command that it stands for.
  run({"generate", "--init", file("group.png"), "--mask", "face", "--inpaint-area", "masked",
       "--face", drawn("02.png"), "--size", "128x128", "--steps", "3", "--seed", "1", "--prompt",
       "a photo of a person", "-o", file("out.png")})
      .exits(0);
  EXPECT_TRUE(bytes_of(file("out.png")) == largest);
}

TEST_F(Swap, GoesOnAfterAStop) {
  write_group();
  const std::vector<std::string> flags{"--save-state", file("state"), "--steps", "20"};
  run(swap(flags)).exits(0);
  const std::string whole = bytes_of(file("out.png"));
  fs::remove(file("out.png"));
  Running running = start(swap(flags));
  while (!fs::exists(file("state"))) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  running.signal(SIGTERM);
  running.end().exits(130);
  run({"generate", "--resume", file("state")}).exits(0);
  EXPECT_TRUE(bytes_of(file("out.png")) == whole);
}

TEST_F(Swap, RefusesWhatItCannotSwap) {
  write_group();
  run(swap({"--pick", "3"})).exits(2).says("cannot take face 3 of ").says("group.png: it shows 2");
  run(swap({"--pose", drawn("01.png")}))
      .exits(2)
      .says("cannot take --mask face: --pose puts the person's face elsewhere\n  leave out one");
  write_image(Image({64, 64}), file("group.png"), {});
  run(swap()).exits(3).says("cannot find a face in ");
  run({"swap", "--face", drawn("02.png"), "-o", file("out.png")})
      .exits(2)
      .says("cannot take --mask: there is no picture to repaint");
  run({"swap", "--help"}).exits(0).prints("semblance swap party.jpg --face me.jpg");
  EXPECT_FALSE(fs::exists(file("out.png")));
}

}  // namespace
}  // namespace semblance::cli
