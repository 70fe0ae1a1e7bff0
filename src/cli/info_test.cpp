// `semblance info` as a user runs it: its command makes the same file again.
#include <nlohmann/json.hpp>

#include "app/shell_text.h"
#include "cli/png_bombs_test.h"
#include "cli/program_test.h"

namespace semblance::cli {
namespace {

using Json = nlohmann::json;

class Info : public ProgramTest {
 protected:
  Info() {
    for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) unsetenv(name);
    fs::current_path(folder());
  }
  ~Info() override { fs::current_path("/"); }

  static std::string picture(const std::string& name) {
    return (fs::path(SEMBLANCE_SOURCE_DIR) / "tests/goldens/image/texts" / name).string();
  }
  static fs::path models() { return golden() / "checkpoint"; }
  /// `info` with the files that a picture does not have.
  std::vector<std::string> info(const std::vector<std::string>& more) const {
    std::vector<std::string> words{"info",
                                   file("out.png"),
                                   "--face",
                                   identity(),
                                   "--base",
                                   (models() / "base").string(),
                                   "--identitynet",
                                   (models() / "identitynet").string(),
                                   "--adapter",
                                   testing::adapter_in(models()).string(),
                                   "-o",
                                   file("again.png")};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// Makes a picture, and runs the command that `info` prints for it, as a person would.
  void expect_same_again(const std::vector<std::string>& flags,
                         const std::vector<std::string>& more = {}) {
    run(generate(flags)).exits(0);
    const std::string printed = run(info(more)).exits(0).out();
    const std::size_t begin = printed.find("semblance generate ");
    const std::string command = printed.substr(begin, printed.find("\n\n", begin) - begin);
    fs::remove(file("again.png"));
    const std::string folder_of_program = fs::path(SEMBLANCE_PROGRAM).parent_path().string();
    Running shell(
        {"/bin/bash", "-c", "PATH=" + shell_quoted(folder_of_program) + ":$PATH\n" + command},
        folder() / "logs");
    shell.end().exits(0);
    EXPECT_TRUE(bytes_of(file("again.png")) == bytes_of(file("out.png"))) << command;
  }
};

TEST_F(Info, CommandMakesTheSameFileAgain) {
  expect_same_again({});
  expect_same_again({"--prompt",
                     "it's a \"man\" in {red|green} $HOME `x`\n\\{deep\\} (snow:1.3) é雪",
                     "--negative", "--blurry, [x]", "--scheduler", "euler_a", "--sigmas", "uniform",
                     "--identity-strength", "0.65", "--adapter-end", "0.7", "--guidance", "4.25",
                     "--noise", "a1111-gpu"});
  expect_same_again({"--negative", "", "--scheduler", "ddim", "--eta", "0.4", "--clip-skip", "1",
                     "--images", "1", "--noise", "comfy", "--noise-picture", "1"});
}

TEST_F(Info, CommandMakesTheSameFileWithLorasAndFromAPicture) {
  fs::create_directories(folder() / "loras");
  fs::copy_file(golden() / "lora_kohya/style.safetensors", folder() / "loras/style.safetensors");
  expect_same_again({"--lora", file("loras/style.safetensors") + ":0.8:0.5"},
                    {"--lora-dir", file("loras")});
  const std::string start = (golden() / "from_picture/initial.png").string();
  expect_same_again({"--init", start, "--pose", identity(), "--strength", "0.6", "--steps", "5"},
                    {"--init", start, "--pose", identity()});
}

TEST_F(Info, PrintsWhatThePictureSays) {
  run({"info", picture("a1111.png")})
      .exits(0)
      .prints("a1111.png: PNG, 16 x 8, made by AUTOMATIC1111 v1.10.1\n\nPrompt ")
      .prints("\nNegative prompt          blurry, [ugly]\n")
      .prints("\nSeed                     1234567890\n")
      .prints("\nTo make it again\n\nsemblance generate --base sd_xl_base_1.0 ")
      .prints(" -o a1111-again.png\n")
      .prints("\n- the photo of the person is not in the file: give it with --face\n")
      .prints("\n- Variation seed: 7 is not carried over\n");
  run({"info", picture("comfyui.png"), "--lang", "es", "--face", "yo.jpg"})
      .exits(0)
      .prints("16 x 8, hecha por ComfyUI\n\nDescripción ")
      .prints("\nPara volver a crearla\n\nsemblance generate ")
      .prints(" --face yo.jpg ")
      .prints("\n- es una de las 2 imágenes de un lote");
  run({"info", picture("packed.png")})
      .exits(0)
      .prints("packed.png: PNG, 16 x 8; no text in it says how to make it again\n")
      .prints("\nNote     not packed — 雪\n");
}

TEST_F(Info, PrintsJson) {
  const Json json = Json::parse(run({"info", picture("a1111.png"), "--json"}).exits(0).out());
  EXPECT_EQ(json["format"], "PNG");
  EXPECT_EQ(json["kind"], "a1111");
  EXPECT_EQ(json["made_by"], "AUTOMATIC1111 v1.10.1");
  EXPECT_EQ(json["fields"]["CFG scale"], "5.5");
  EXPECT_EQ(json["negative_prompt"], "blurry, [ugly]");
  EXPECT_EQ(json["command"][0], "semblance");
  EXPECT_EQ(json["shell"], shell_command(json["command"].get<std::vector<std::string>>()));
  EXPECT_EQ(json["notes"].size(), 6U);
  const Json other = Json::parse(run({"info", picture("latin1.png"), "--json"}).exits(0).out());
  EXPECT_TRUE(other["command"].is_null());
  EXPECT_EQ(other["texts"]["Title"], "the last counts");
}

TEST_F(Info, RefusesWhatItCannotRead) {
  run({"info"}).exits(2).says("info needs a picture");
  run({"info", picture("a1111.png"), "b.png"}).exits(2).says("unexpected argument 'b.png'");
  run({"info", file("gone.png")}).exits(3).says("gone.png");
  for (const char* name : {"none.png", "none.jpg"}) {
    run({"info", picture(name)}).exits(3).says("was made: there is no text in it").prints_nothing();
  }
  write_bytes(file("words.txt"), "Steps: 3");
  run({"info", file("words.txt")}).exits(2).says("as a picture: expected JPEG, PNG or WebP");
  const std::string whole = bytes_of(picture("a1111.png"));
  write_bytes(file("cut.png"), whole.substr(0, whole.size() - 20));
  run({"info", file("cut.png")}).exits(4).says("this PNG is truncated");
  std::string graph = bytes_of(picture("comfyui.webp"));
  graph.replace(graph.find("\"CheckpointLoader"), 2, "\"\"");
  write_bytes(file("graph.webp"), graph);
  run({"info", file("graph.webp")}).exits(4).says("cannot read ComfyUI's graph in ");
}

TEST_F(Info, TakesTheDemoModelAndSdxlByTheirShortNames) {
  const auto with_model = [&](const std::string& model) {
    const std::string text = "parameters" + std::string(1, '\0') + "a\nSteps: 3, Model: " + model +
                             ", Precision: f32, Version: semblance 0.1.0";
    const std::string plain = bytes_of(picture("none.png"));
    std::string bytes = plain.substr(0, plain.size() - 12) + png_chunk("tEXt", text);
    write_bytes(file("a.png"), bytes + plain.substr(plain.size() - 12));
    return run({"info", file("a.png")}).exits(0).out();
  };
  const std::string sdxl = with_model("stable-diffusion-xl-base-1.0");
  EXPECT_NE(sdxl.find("semblance generate --base sdxl "), std::string::npos) << sdxl;
  const std::string demo = with_model("base");
  EXPECT_NE(demo.find("semblance generate --face "), std::string::npos) << demo;
  EXPECT_NE(demo.find("- the model base is taken for the demo model"), std::string::npos) << demo;
}

}  // namespace
}  // namespace semblance::cli
