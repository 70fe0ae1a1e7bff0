// --refine-faces: a second pass over a face that came out small. With the demo model.
#include <fmt/format.h>

#include <fstream>

#include "cli/program_test.h"
#include "image/decode.h"
#include "image/encode.h"
#include "image/resize.h"

namespace semblance::cli {
namespace {

class Refine : public ProgramTest {
 protected:
  Refine() { fs::current_path(folder()); }
  ~Refine() override { fs::current_path("/"); }

  static std::string drawn(const char* number) {
    return (fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo/faces" / number).string();
  }
  /// Faces of some 48 pixels in a picture of 512 x 512, which the picture made from it keeps.
  void write_scene(std::initializer_list<int> lefts) {
    Image scene({512, 512});
    std::ranges::fill(scene.pixels(), std::uint8_t{120});
    const Image face = resize(decode(drawn("01.png")), {96, 96}, Filter::kLanczos);
    for (const int left : lefts) {
      for (int y = 0; y < 96; ++y)
        std::copy_n(face.row(y), face.row_bytes(), scene.row(200 + y) + std::ptrdiff_t{3} * left);
    }
    write_image(scene, file("scene.png"), {});
  }
  std::vector<std::string> from_scene(const std::vector<std::string>& more) {
    std::vector<std::string> words{
        "generate",   "--init", file("scene.png"), "--prompt", "a portrait", "--steps",      "8",
        "--strength", "0.2",    "--seed",          "1",        "-o",         file("out.png")};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::vector<std::string> from_small_face(std::vector<std::string> more) {
    write_scene({220});
    more.insert(more.end(), {"--face", drawn("02.png")});
    return from_scene(more);
  }
  Image made(const std::vector<std::string>& words) {
    run(words).exits(0);
    return decode(file("out.png"));
  }
};

/// How many pixels differ inside and outside the columns around a face of the scene.
struct Changed {
  int near = 0;
  int far = 0;
};
Changed changed(const Image& a, const Image& b, std::initializer_list<int> lefts) {
  Changed count;
  for (int y = 0; y < 512; ++y) {
    for (int x = 0; x < 512; ++x) {
      if (std::equal(a.row(y) + 3 * x, a.row(y) + 3 * x + 3, b.row(y) + 3 * x)) continue;
      const bool is_near = y > 180 && y < 316 && std::ranges::any_of(lefts, [&](int left) {
                             return x > left - 20 && x < left + 116;
                           });
      (is_near ? count.near : count.far) += 1;
    }
  }
  return count;
}

TEST_F(Refine, RepaintsASmallFaceAndNothingElse) {
  const Image plain = made(from_small_face({"--refine-faces", "off"}));
  run(from_small_face({})).exits(0).says("out.png: the face is repainted at 256x256: ");
  const std::string small = bytes_of(file("out.png"));
  const Image refined = decode(file("out.png"));
  ASSERT_EQ(refined.size(), plain.size());
  EXPECT_GT(changed(plain, refined, {220}).near, 1000);
  EXPECT_EQ(changed(plain, refined, {220}).far, 0);
  EXPECT_EQ(small.find("Refine faces"), std::string::npos);
  made(from_small_face({"--refine-faces", "on"}));
  EXPECT_NE(bytes_of(file("out.png")).find("Refine faces: on"), std::string::npos);
}

TEST_F(Refine, RepaintsEachPersonsFace) {
  write_scene({80, 340});
  std::ofstream(file("people.json")) << fmt::format(
      R"([{{"faces": ["{}"], "pose_face": 1}}, {{"faces": ["{}"], "pose_face": 2}}])",
      drawn("02.png"), drawn("03.png"));
  const auto with = [&](const char* choice) {
    return made(from_scene({"--people", file("people.json"), "--refine-faces", choice}));
  };
  const Image plain = with("off"), refined = with("auto");
  EXPECT_GT(changed(plain, refined, {80}).near, 1000);
  EXPECT_GT(changed(plain, refined, {340}).near, 1000);
  EXPECT_EQ(changed(plain, refined, {80, 340}).far, 0);
}

TEST_F(Refine, LeavesALargeFace) {
  std::vector<std::string> words{
      "generate", "--face", drawn("02.png"), "--prompt", "a portrait", "--steps", "8", "--seed",
      "1",        "-o",     file("out.png")};
  EXPECT_EQ(run(words).exits(0).err().find("repainted"), std::string::npos);
  words.insert(words.end(), {"--refine-faces", "on"});
  run(words).exits(0).says("repainted at 256x256");
}

TEST_F(Refine, NeedsFaceModels) {
  run(generate({"--refine-faces", "on"}))
      .exits(2)
      .says("cannot take --refine-faces: finding the face needs face models");
  run(generate({"--refine-faces", "maybe"})).exits(2).says("expected one of auto, on, off");
}

}  // namespace
}  // namespace semblance::cli
