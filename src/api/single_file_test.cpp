// Checkpoints in one file through both public APIs.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "semblance/semblance.h"
#include "semblance/semblance_c.h"
#include "tests/support/single_file_model.h"

namespace {

namespace fs = std::filesystem;
using ::semblance::testing::SingleFileModel;

class SingleFileApi : public ::testing::Test {
 protected:
  SingleFileApi()
      : folder_(fs::temp_directory_path() / ("semblance_one_" + std::to_string(getpid()))),
        model_(folder_) {}
  ~SingleFileApi() override { fs::remove_all(folder_); }

  static std::vector<float> latent_of(const semblance::Models& models) {
    const fs::path face = fs::path(SEMBLANCE_SOURCE_DIR) /
                          "tests/goldens/pipeline/fp16_published/plain/identity.json";
    semblance::Generator generator(models);
    semblance::Generation generation =
        generator.start(semblance::Person::load(face),
                        {.prompt = "a man", .width = 64, .height = 64, .steps = 1, .seed = 5});
    while (generation.next()) {
    }
    return generation.latent();
  }

  fs::path folder_;
  SingleFileModel model_;
};

TEST_F(SingleFileApi, MakesThePictureOfTheFolder) {
  semblance::Models models{.base = model_.base(),
                           .identitynet = SingleFileModel::identitynet(),
                           .adapter = SingleFileModel::adapter(),
                           .precision = semblance::Precision::kF32};
  const std::vector<float> want = latent_of(models);
  models.base = model_.file();
  EXPECT_EQ(latent_of(models), want);
  models.base = model_.some_of_file("unet.safetensors", {"model.diffusion_model."});
  EXPECT_THROW(semblance::Generator{models}, semblance::Error);
  models.vae = models.text_encoders = model_.file();
  EXPECT_EQ(latent_of(models), want);
  models.unet = SingleFileModel::golden_file("tiny_city96.gguf");
  EXPECT_NE(latent_of(models), want);
}

TEST_F(SingleFileApi, HasKeysInC) {
  const nlohmann::json models{{"base", model_.base().string()},
                              {"identitynet", SingleFileModel::identitynet().string()},
                              {"adapter", SingleFileModel::adapter().string()},
                              {"unet", SingleFileModel::golden_file("tiny_city96.gguf").string()},
                              {"vae", model_.file().string()},
                              {"text_encoders", model_.file().string()}};
  semblance_generator* generator = nullptr;
  EXPECT_EQ(semblance_generator_new(models.dump().c_str(), &generator), SEMBLANCE_OK)
      << semblance_error_text();
  semblance_generator_free(generator);
  nlohmann::json wrong = models;
  wrong["vae"] = SingleFileModel::golden_file("tiny_city96.gguf").string();
  EXPECT_EQ(semblance_generator_new(wrong.dump().c_str(), &generator), SEMBLANCE_ARGUMENT);
  EXPECT_NE(std::string(semblance_error_text()).find("it is an SDXL UNet, without a VAE"),
            std::string::npos)
      << semblance_error_text();
}

}  // namespace
