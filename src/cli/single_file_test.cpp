// Checkpoints in one file, as a user gives them.
#include <nlohmann/json.hpp>

#include "cli/serve_test.h"
#include "tests/support/single_file_model.h"

namespace semblance::cli {
namespace {

using semblance::testing::SingleFileModel;

class SingleFiles : public ProgramTest {
 protected:
  SingleFiles() : model_(folder() / "models") {}

  std::vector<std::string> generate_with(const fs::path& base,
                                         const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{"generate",
                                   "--base",
                                   base.string(),
                                   "--identitynet",
                                   SingleFileModel::identitynet().string(),
                                   "--adapter",
                                   SingleFileModel::adapter().string(),
                                   "--face",
                                   identity(),
                                   "--prompt",
                                   "a man in the snow",
                                   "--size",
                                   "64x64",
                                   "--steps",
                                   "2",
                                   "--seed",
                                   "7",
                                   "--precision",
                                   "f32",
                                   "-o",
                                   file("out.png")};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::string picture(const fs::path& base, const std::vector<std::string>& more = {}) {
    fs::remove(file("out.png"));
    run(generate_with(base, more)).exits(0);
    return bytes_of(file("out.png"));
  }

  SingleFileModel model_;
};

TEST_F(SingleFiles, MakeThePictureOfTheDiffusersFolder) {
  const std::string want = picture(model_.base());
  EXPECT_NE(want.find("Model: model,"), std::string::npos);
  EXPECT_TRUE(picture(model_.file()) == want);
  const auto plan = nlohmann::json::parse(
      run({"plan", "--base", model_.file().string(), "--identitynet",
           SingleFileModel::identitynet().string(), "--adapter",
           SingleFileModel::adapter().string(), "--size", "64x64", "--precision", "f32", "--json"})
          .exits(0)
          .out());
  EXPECT_TRUE(plan["assumed"].empty()) << plan["assumed"];
  EXPECT_TRUE(picture(model_.file(), {"--memory", "256MiB"}) == want);
}

TEST_F(SingleFiles, PartsAreNamedInThePicture) {
  const fs::path vae = model_.some_of_file("my vae.safetensors", {"first_stage_model."});
  const std::string text = picture(
      model_.base(),
      {"--unet", SingleFileModel::golden_file("tiny_city96.gguf").string(), "--vae", vae.string()});
  EXPECT_NE(text.find("Model: model, UNet: tiny_city96.gguf, VAE: my vae.safetensors,"),
            std::string::npos)
      << text.substr(0, 500);
  EXPECT_TRUE(picture(model_.base(), {"--vae", vae.string(), "--no-metadata"}) ==
              picture(model_.base(), {"--no-metadata"}));
}

TEST_F(SingleFiles, AreFoundByName) {
  const std::string want = picture(model_.base());
  const fs::path web_ui = folder() / "webui";
  fs::create_directories(web_ui / "models/Stable-diffusion/sub");
  fs::copy_file(model_.file(), web_ui / "models/Stable-diffusion/sub/model.safetensors");
  EXPECT_TRUE(picture("model", {"--models-dir", web_ui.string()}) == want);
  run(generate_with("modle", {"--models-dir", web_ui.string()}))
      .exits(3)
      .says("did you mean model?");
  fs::create_directories(web_ui / "models/Lora");
  fs::copy_file(golden() / "lora_kohya/style.safetensors", web_ui / "models/Lora/film.safetensors");
  run(generate_with("model", {"--models-dir", web_ui.string(), "--lora", "film"}))
      .does_not_say("cannot find the LoRA");
  run(generate_with("model", {"--models-dir", web_ui.string(), "--lora", "flim"}))
      .exits(3)
      .says("cannot find the LoRA flim")
      .says("did you mean film?");
  fs::remove_all(web_ui / "models/Lora");
  setenv("HF_HOME", file("hf").c_str(), 1);
  const Outcome listed = run({"models", "list", "--models-dir", web_ui.string()});
  listed.exits(0).prints("sub/model: an SDXL checkpoint, ").prints("(checkpoint)");
  const auto json = nlohmann::json::parse(
      run({"models", "list", "--models-dir", web_ui.string(), "--json"}).exits(0).out());
  ASSERT_EQ(json["files"].size(), 1U);
  EXPECT_EQ(json["files"][0]["content"], "an SDXL checkpoint");
  run({"models", "list", "--models-dir", file("none")}).exits(3).says("it is no folder");
  unsetenv("HF_HOME");
}

TEST_F(SingleFiles, AreResumed) {
  Running stopped =
      start(generate_with(model_.file(), {"--save-state", file("run"), "--steps", "60"}));
  ASSERT_TRUE(stopped.waits_for_file(file("run")));
  stopped.signal(SIGINT);
  stopped.end();
  const fs::path moved = folder() / "moved.safetensors";
  fs::rename(model_.file(), moved);
  run({"generate", "--resume", file("run"), "-o", file("out.png")}).exits(3).says("--base");
  run({"generate", "--resume", file("run"), "--base", moved.string(), "-o", file("out.png")})
      .exits(0);
  run({"generate", "--resume", file("run"), "--base", model_.base().string(), "-o",
       file("out.png")})
      .exits(2)
      .says("is not the one it was started with");
}

TEST_F(SingleFiles, WrongFilesAreRefusedByName) {
  const fs::path vae = model_.some_of_file("vae.safetensors", {"first_stage_model."});
  run(generate_with(vae)).exits(2).says("it is a VAE\n  --vae takes it").prints_nothing();
  const fs::path unet = model_.some_of_file("unet.safetensors", {"model.diffusion_model."});
  run(generate_with(unet))
      .exits(3)
      .says(
          "it is an SDXL UNet and has no VAE and no text encoders\n  give --vae FILE|DIR|NAME and "
          "--text-encoders DIR|FILE");
  run(generate_with(SingleFileModel::golden_file()))
      .exits(4)
      .says("\"vocab_size\" must be at least 49408");
  // The picture must not replace a model's file.
  fs::copy_file(vae, file("out.png"));
  std::vector<std::string> words = generate_with(model_.file());
  words.insert(words.end(), {"--vae", file("out.png")});
  run(words).exits(2).says("out.png");
}

TEST_F(SingleFiles, AreServedAndSwitchedTo) {
  const fs::path models = folder() / "checkpoints";
  fs::create_directories(models);
  fs::copy_file(model_.file(), models / "film.safetensors");
  setenv("HF_HOME", file("hf").c_str(), 1);
  Service service(start({"serve", "--base", model_.file().string(), "--models-dir", models.string(),
                         "--identitynet", SingleFileModel::identitynet().string(), "--adapter",
                         SingleFileModel::adapter().string(), "--listen", "127.0.0.1:0", "--data",
                         file("data"), "--precision", "f32"}),
                  folder() / "logs/stdout.txt");
  unsetenv("HF_HOME");
  const auto before = service.get("/api/models");
  EXPECT_EQ(before["in_use"], "model") << before;
  ASSERT_EQ(before["others"].size(), 2U) << before;
  const auto use = [&](const std::string& name) {
    return service.ask("POST", "/api/models/use", nlohmann::json{{"name", name}}.dump());
  };
  EXPECT_EQ(use((models / "film.safetensors").string()).status, 400) << "paths choose nothing";
  ASSERT_EQ(use("film").status, 200);
  EXPECT_EQ(service.get("/api/models")["in_use"], "film");
  EXPECT_EQ(service.get("/api/info")["model"]["name"], "film");
  ASSERT_EQ(use("model").status, 200) << "back to what it was started with";
  EXPECT_EQ(service.get("/api/models")["in_use"], "model");
}

}  // namespace
}  // namespace semblance::cli
