#include "hub/model_folders.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "hub/resolve.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::error_of;

class ModelFoldersTest : public ::testing::Test {
 protected:
  ModelFoldersTest() {
    root_ = fs::temp_directory_path() / ("semblance_folders_" + std::to_string(getpid()));
    fs::create_directories(root_);
  }
  ~ModelFoldersTest() override { fs::remove_all(root_); }

  fs::path make(const std::string& name) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << "x";
    return root_ / name;
  }
  std::vector<std::string> listed() const {
    std::vector<std::string> lines;
    for (const ModelFile& file : ModelFolders(root_, "--models-dir").files())
      lines.push_back(fmt::format("{} {}", title_of(file.kind), file.name));
    return lines;
  }
  fs::path base(const std::string& name) const {
    return resolve_models({.base = name,
                           .identitynet = "i",
                           .adapter = "a",
                           .face_models = "f",
                           .models_dir = root_},
                          IfMissing::kRefuse)
        .base;
  }

  fs::path root_;
};

TEST_F(ModelFoldersTest, KnowsTheWebUIsFolders) {
  for (const char* name :
       {"models/Stable-diffusion/film.safetensors", "models/Stable-diffusion/sub/old.ckpt",
        "models/Stable-diffusion/film.yaml", "models/Lora/style.safetensors",
        "models/VAE/sdxl_vae.safetensors", "models/ControlNet/canny.safetensors",
        "embeddings/toy.pt", "models/ESRGAN/4x.pth", "notes.txt"})
    make(name);
  EXPECT_EQ(listed(),
            (std::vector<std::string>{"checkpoint film", "checkpoint sub/old", "VAE sdxl_vae",
                                      "LoRA style", "ControlNet canny", "embedding toy"}));
  EXPECT_EQ(ModelFolders(root_, "").folders(ModelKind::kLora),
            std::vector<fs::path>{root_ / "models/Lora"});
}

TEST_F(ModelFoldersTest, KnowsComfysFolders) {
  for (const char* name :
       {"models/checkpoints/film.safetensors", "models/loras/a/style.safetensors",
        "models/vae/sdxl_vae.safetensors", "models/unet/q8.gguf", "models/clip/clip_g.safetensors",
        "models/diffusion_models/u.safetensors", "models/controlnet/canny.safetensors",
        "models/embeddings/toy.pt"})
    make(name);
  const std::vector<std::string> want{
      "checkpoint film",      "UNet u",       "UNet q8",          "VAE sdxl_vae",
      "text encoders clip_g", "LoRA a/style", "ControlNet canny", "embedding toy"};
  EXPECT_EQ(listed(), want);
  fs::rename(root_ / "models", root_ / "m");
  for (const auto& entry : fs::directory_iterator(root_ / "m"))
    fs::rename(entry.path(), root_ / entry.path().filename());
  EXPECT_EQ(listed(), want);
}

TEST_F(ModelFoldersTest, FindsFilesByName) {
  const fs::path film = make("models/checkpoints/film.safetensors");
  const fs::path nested = make("models/checkpoints/sub/other.safetensors");
  const fs::path loose = make("loose.safetensors");
  for (const char* name : {"film", "film.safetensors"}) EXPECT_EQ(base(name), film) << name;
  for (const char* name : {"other", "sub/other", "sub/other.safetensors"})
    EXPECT_EQ(base(name), nested) << name;
  EXPECT_EQ(base("loose"), loose);
  EXPECT_EQ(error_of([&] { base("flim"); }),
            "missing: --base: 'flim' is neither a path nor a file in " + root_.string() +
                ", did you mean film?");
  const fs::path copy = make("models/checkpoints/film.ckpt");
  EXPECT_EQ(error_of([&] { base("film"); }),
            "argument: cannot choose 'film' in --models-dir " + root_.string() +
                ": two files have that name, models/checkpoints/film.ckpt and "
                "models/checkpoints/film.safetensors\n  give the name with its extension and "
                "folder, or a path");
  EXPECT_EQ(base("film.ckpt"), copy);
  EXPECT_EQ(error_of([&] { ModelFolders(film, "--models-dir"); }),
            "missing: cannot open --models-dir " + film.string() +
                ": it is no folder\n  give the folder of AUTOMATIC1111's web UI or ComfyUI, or one "
                "with folders such as checkpoints, loras and vae");
}

TEST_F(ModelFoldersTest, SaysWhatAFileIs) {
  const std::string goldens = SEMBLANCE_SOURCE_DIR "/tests/goldens/weights/single_file/";
  EXPECT_EQ(content_of(goldens + "tiny.safetensors"), "an SDXL checkpoint");
  EXPECT_EQ(content_of(goldens + "tiny_city96.gguf"), "an SDXL UNet");
  EXPECT_TRUE(is_checkpoint(goldens + "tiny.safetensors"));
  EXPECT_FALSE(is_checkpoint(goldens + "tiny_city96.gguf"));
  const std::string text = content_of(make("x.safetensors"));
  EXPECT_TRUE(text.starts_with("unreadable: cannot read ")) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace semblance
