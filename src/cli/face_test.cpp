// Valid and invalid photos and identities in `semblance face` and `semblance generate --face`.
#include "face/face_test.h"

#include <nlohmann/json.hpp>

#include "cli/program_test.h"
#include "face/identity.h"
#include "image/decode.h"

namespace semblance::cli {
namespace {

class Face : public ProgramTest {
 protected:
  static std::string astronaut() {
    return (fs::path(SEMBLANCE_SOURCE_DIR) / "tests/goldens/image/astronaut.jpg").string();
  }
  // Face models for drawn faces, and photos of drawn faces.
  static std::string planted(const std::string& name) {
    return (fs::path(SEMBLANCE_SOURCE_DIR) / "tests/goldens/face/planted" / name).string();
  }
  static std::vector<std::string> with_models(std::vector<std::string> words) {
    words.insert(words.end(), {"--detector", planted("scrfd_planted.onnx"), "--recogniser",
                               planted("arcface_planted.onnx")});
    return words;
  }
};

/// The checksum of PNG and zlib.
std::uint32_t crc32(const std::string& bytes) {
  std::uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
  }
  return ~crc;
}

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

/// A PNG that ends after its header.
std::string png_header(std::uint32_t width, std::uint32_t height) {
  const std::string chunk =
      "IHDR" + big_endian(width) + big_endian(height) + std::string("\x08\x02\x00\x00\x00", 5);
  return "\x89PNG\r\n\x1a\n" + big_endian(13) + chunk + big_endian(crc32(chunk));
}

TEST_F(Face, RefusesFilesThatAreNotPhotos) {
  write_bytes(file("text.jpg"), "this is a letter");
  write_bytes(file("empty.jpg"), "");
  write_bytes(file("huge.png"), png_header(20000, 20000));
  write_bytes(file("cut.jpg"), bytes_of(astronaut()).substr(0, 4000));
  for (const std::string command : {"face", "generate"}) {
    const auto with = [&](const std::string& photo) {
      const std::vector<std::string> models{"--face-models", file(".")};
      std::vector<std::string> words{"face", photo};
      if (command == "generate") words = generate({"--face", photo});
      words.insert(words.end(), models.begin(), models.end());
      return run(words).prints_nothing();
    };
    with(file("none.jpg")).exits(3).says("none.jpg: No such file");
    with(file(".")).exits(2).says("a folder");
    with(file("text.jpg")).exits(2).says("text.jpg");
    with(file("empty.jpg")).exits(4).says("empty.jpg");
    with(file("huge.png")).exits(2).says("20000x20000");
  }
}

TEST_F(Face, PhotosNeedFaceModels) {
  run({"face", astronaut()}).exits(0).says("drawn faces only");
  run(generate({"--face", astronaut()})).exits(2).says("--face: ").says("add --face-models DIR");
  run(generate({"--pose", astronaut()})).exits(2).says("--pose: ");
  run({"face", astronaut(), "--face-models", file("none")}).exits(3).says("none");
  run({"face"}).exits(2).says("face needs a photo");
  run({"face", identity()}).exits(2).says("expected a photo, got JSON");
}

TEST_F(Face, RefusesInvalidIdentities) {
  const std::string good = bytes_of(identity());
  const std::vector<std::pair<std::string, int>> cases{
      {"{", 4},
      {"{}", 3},
      {"[1, 2]", 4},
      {"", 4},
      {"{\"embedding\": \"me\"", 4},
      {good.substr(0, good.size() / 2), 4},
  };
  for (const auto& [text, code] : cases) {
    write_bytes(file("me.json"), text);
    run(generate({"--face", file("me.json")})).exits(code).says("me.json").prints_nothing();
  }
  fs::remove(file("me.json"));
  EXPECT_EQ(files(), std::set<std::string>{});
}

TEST_F(Face, PrintsThePositionOfTheFace) {
  run(with_models({"face", planted("photo.png")}))
      .exits(0)
      .prints("photo.png: 1 face, in pixels of ")
      .prints("   1. score ")
      .prints(", eyes ")
      .prints(", mouth ");
  run(with_models({"face", planted("photo.png"), "--json", "--photo-size", "original"}))
      .exits(0)
      .prints("{\"image_size\": [")
      .prints("\"faces\": [{\"score\": 0.99")
      .prints("\"embedding\": [");
}

TEST_F(Face, ListsTheLargestFaceFirst) {
  const Outcome all = run(with_models({"face", planted("several.png"), "--json"})).exits(0);
  EXPECT_EQ(all.out().find("\"faces\": []"), std::string::npos);
  run(with_models({"face", planted("several.png")})).exits(0).prints("s, largest first, in");
  run(with_models({"face", planted("several.png"), "--pick", "99", "--save", file("me.json")}))
      .exits(2)
      .says("cannot take --pick: ");
  EXPECT_EQ(files(), std::set<std::string>{});
  run(with_models({"face", planted("several.png"), "--save", file("1.json")})).exits(0);
  run(with_models({"face", planted("several.png"), "--pick", "2", "--save", file("2.json")}))
      .exits(0);
  EXPECT_NE(bytes_of(file("1.json")), bytes_of(file("2.json")));
  run(with_models(generate({"--face", planted("several.png")})))
      .exits(0)
      .says(" faces in several.png, using the largest");
}

TEST_F(Face, NoFaceGivesAnEmptyListAndAnErrorCode) {
  run(with_models({"face", planted("none.png"), "--json", "--save", file("me.json")}))
      .exits(3)
      .prints("\"faces\": []}")
      .says("cannot find a face in ");
  run(with_models({"face", planted("none.png")}))
      .exits(3)
      .prints_nothing()
      .says("neither small nor cut off at the edge, or a larger --detector-size");
  run(with_models(generate({"--face", planted("none.png")}))).exits(3).says("cannot find a face");
  EXPECT_EQ(files(), std::set<std::string>{});
}

TEST_F(Face, FindsACloseUpWithAFixedSizeDetector) {
  // The planted detector as exported for a fixed size: [1,3,?,?] becomes [1,3,640,640].
  std::string model = bytes_of(planted("scrfd_planted.onnx"));
  std::size_t at = model.rfind("input.1");
  for (int axis = 0; axis < 2; ++axis) {
    at = model.find("\x12\x01?", at);
    ASSERT_NE(at, std::string::npos);
    model.replace(at, 3, "\x08\x80\x05");
  }
  write_bytes(file("fixed.onnx"), model);
  const auto lists = [this](const std::string& detector) {
    return run({"face", planted("close.png"), "--json", "--photo-size", "original", "--detector",
                detector, "--recogniser", planted("arcface_planted.onnx")})
        .exits(0)
        .out();
  };
  // The last digits differ: another frame means another order of summation.
  const std::string fixed = lists(file("fixed.onnx"));
  const std::size_t digits = fixed.find("score") + 12;
  EXPECT_EQ(fixed.substr(0, digits), lists(planted("scrfd_planted.onnx")).substr(0, digits));
  EXPECT_EQ(fixed.find("\"faces\": []"), std::string::npos);
}

TEST_F(Face, FindsNoFaceInASinglePixel) {
  // A white PNG of 1 x 1.
  const std::string data("\x78\x9c\x63\xf8\xff\xff\x3f\x00\x05\xfe\x02\xfe", 12);
  std::string png = png_header(1, 1);
  for (const std::string& chunk : {"IDAT" + data, std::string("IEND")}) {
    png +=
        big_endian(static_cast<std::uint32_t>(chunk.size() - 4)) + chunk + big_endian(crc32(chunk));
  }
  write_bytes(file("dot.png"), png);
  run(with_models({"face", file("dot.png")})).exits(3).says("cannot find a face");
}

TEST_F(Face, DrawsTheKeypoints) {
  run(with_models(
          {"face", planted("photo.png"), "--draw", file("points.png"), "--photo-size", "original"}))
      .exits(0);
  EXPECT_EQ(decode(fs::path(file("points.png"))).size(),
            probe(fs::path(planted("photo.png"))).upright());
  run(with_models({"face", planted("photo.png"), "--draw", file("points.bmp")}))
      .exits(2)
      .says(".webp");
}

TEST_F(Face, SavedIdentityMakesTheSamePicture) {
  for (const std::string photo_size : {"published", "original"}) {
    const std::vector<std::string> looked{"--photo-size", photo_size};
    for (const std::string size : {"64x48", "auto"}) {
      std::vector<std::string> photo = with_models(generate({"--size", size, "--face"}));
      photo.insert(photo.begin() + static_cast<std::ptrdiff_t>(photo.size() - 4),
                   planted("photo.png"));
      photo.insert(photo.end(), looked.begin(), looked.end());
      run(photo).exits(0);
      const std::string from_photo = bytes_of(file("out.png"));
      std::vector<std::string> save =
          with_models({"face", planted("photo.png"), "--save", file("me.json")});
      save.insert(save.end(), looked.begin(), looked.end());
      run(save).exits(0);
      run(generate({"--size", size, "--face", file("me.json")})).exits(0);
      EXPECT_EQ(bytes_of(file("out.png")), from_photo) << size;
    }
  }
}

TEST_F(Face, SeveralPhotosMakeOneIdentity) {
  const fs::path faces = fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo/faces";
  const std::string ann = (faces / "03.png").string();
  const std::string bea = (faces / "09.png").string();
  run({"face", ann, ann, "--save", file("me.json")})
      .exits(0)
      .prints("03.png: 1 face")
      .says("2 photos of one person, likeness 1.00 to 1.00");
  run(with_models(generate({"--face", file("me.json"), "--combine", "concat"})))
      .exits(0)
      .says("2 photos of one person");
  const std::string saved = bytes_of(file("out.png"));
  run({"face", ann, "--save", file("one.json")}).exits(0);
  run(generate({"--face", file("one.json"), "--face", file("one.json"), "--combine", "concat"}))
      .exits(0);
  EXPECT_EQ(bytes_of(file("out.png")), saved);
  run(generate({"--face", file("one.json")})).exits(0);
  EXPECT_NE(bytes_of(file("out.png")), saved);
  // Somebody else is named.
  fs::remove(file("me.json"));
  run({"face", ann, ann, bea, "--save", file("me.json")})
      .exits(2)
      .says("09.png shows somebody else than ")
      .says("expected a likeness of at least 0.2, got ");
  EXPECT_FALSE(fs::exists(file("me.json")));
  run({"face", bea, "--save", file("bea.json")}).exits(0);
  run(generate({"--face", file("one.json"), "--face", file("bea.json")}))
      .exits(2)
      .says("bea.json shows somebody else than ");
  run({"face", ann, ann, "--json"}).exits(2).says("cannot take --json: expected one photo, got 2");
  run({"face", ann, ann, "--pick", "2"}).exits(2).says("cannot take --pick: expected one photo");
  run(generate({"--face", ""})).exits(2).says("cannot take --face: expected a path, got ''");
}

TEST_F(Face, TellsTheLikenessOfEveryResult) {
  using nlohmann::json;
  const std::string ann = (fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo/faces/03.png").string();
  const auto demo = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{"generate",
                                   "--face",
                                   ann,
                                   "--prompt",
                                   "a photo of a person",
                                   "--size",
                                   "128x128",
                                   "--seed",
                                   "5",
                                   "--steps",
                                   "8",
                                   "-o",
                                   file("out.png")};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  const Outcome one = run(demo({"--json"})).exits(0).says("out.png: likeness 0.");
  const json told = json::parse(one.out());
  EXPECT_EQ(told["path"], file("out.png"));
  EXPECT_EQ(told["seed"], 5);
  // The same as of the face that `semblance face` finds.
  run({"face", file("out.png"), "--photo-size", "original", "--save", file("made.json")}).exits(0);
  run({"face", ann, "--save", file("ann.json")}).exits(0);
  const double likeness = testing::cosine(read_identity(file("made.json")).embedding,
                                          read_identity(file("ann.json")).embedding);
  EXPECT_NEAR(told["likeness"].get<double>(), likeness, 1e-4);
  EXPECT_NE(bytes_of(file("out.png")).find(fmt::format(", Likeness: {:.3f}", likeness)),
            std::string::npos);
  // The most alike of several is kept, and its seed alone makes it again.
  std::vector<std::pair<double, int>> all;
  for (int seed = 5; seed < 8; ++seed) {
    const Outcome made = run(demo({"--json", "--seed", std::to_string(seed)})).exits(0);
    all.emplace_back(json::parse(made.out())["likeness"].get<double>(), seed);
  }
  const int best = std::ranges::max(all).second;
  EXPECT_NE(all[0].first, all[1].first);
  run(demo({"--seed", std::to_string(best)})).exits(0);
  const std::string alone = bytes_of(file("out.png"));
  run(demo({"--best-of", "3"}))
      .exits(0)
      .prints(file("out.png"))
      .says(fmt::format("out.png: the most alike of 3, seed {}", best));
  EXPECT_EQ(bytes_of(file("out.png")), alone);
}

TEST_F(Face, AResultWithoutAFaceHasNoLikeness) {
  // The small checkpoint paints noise.
  run(with_models(generate({"--json"})))
      .exits(0)
      .says("out.png: no face found, so there is no likeness")
      .prints("\"likeness\":null");
  const std::string first = bytes_of(file("out.png"));
  EXPECT_EQ(first.find("Likeness"), std::string::npos);
  run(with_models(generate({"--best-of", "2"}))).exits(0).says("the most alike of 2, seed 7");
  EXPECT_EQ(bytes_of(file("out.png")), first);
  run(generate({"--best-of", "2"}))
      .exits(2)
      .says("cannot take --best-of: finding the most alike picture needs face models");
}

TEST_F(Face, PoseSetsPositionAndShape) {
  run(with_models(generate({"--pose", planted("photo.png"), "--photo-size", "original"}))).exits(0);
  const std::string posed = bytes_of(file("out.png"));
  run(generate()).exits(0);
  EXPECT_NE(bytes_of(file("out.png")), posed);
}

TEST(Program, ListsItsCommands) {
  const auto folder = fs::temp_directory_path() / ("semblance_program_" + std::to_string(getpid()));
  fs::create_directory(folder);
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.begin(), SEMBLANCE_PROGRAM);
    return Running(std::move(words), folder).end();
  };
  run({"--version"}).exits(0).prints("semblance ");
  run({"--help"}).exits(0).prints("generate").prints("Exit codes");
  run({"generate", "--help"}).exits(0).prints("--identity-strength").prints("Examples");
  run({"face", "-h"}).exits(0).prints("--save").prints("Examples");
  run({}).exits(0).prints("Usage: semblance COMMAND").does_not_say("semblance");
  run({"models"}).exits(0).prints("Usage: semblance models COMMAND");
  run({"generat"}).exits(2).says("unknown command 'generat', did you mean generate?");
  run({"--halp"}).exits(2).says("did you mean --help?");
  fs::remove_all(folder);
}

}  // namespace
}  // namespace semblance::cli
