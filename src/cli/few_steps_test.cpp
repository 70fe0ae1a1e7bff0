// Models and LoRAs for few steps, --fast and --quality, as a user gives them.
#include <nlohmann/json.hpp>

#include "cli/program_test.h"

namespace semblance::cli {
namespace {

class FewStepFlags : public ProgramTest {
 protected:
  FewStepFlags() { setenv("HF_HOME", file("hf").c_str(), 1); }
  ~FewStepFlags() override { unsetenv("HF_HOME"); }

  static std::string style() { return (golden() / "lora_kohya/style.safetensors").string(); }
  /// generate() without --steps.
  std::vector<std::string> open(const std::vector<std::string>& more) const {
    std::vector<std::string> words = generate_without("--steps");
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::string settings_in_png() const {
    const std::string png = bytes_of(file("out.png"));
    const std::size_t at = png.find("Steps: ");
    return at == std::string::npos ? "" : png.substr(at, png.find(", Size", at) - at);
  }
  /// What `semblance models pull lcm` leaves in the cache.
  void publish_lcm() const {
    const fs::path model = fs::path(file("hf")) / "hub/models--latent-consistency--lcm-lora-sdxl";
    const std::string commit(40, 'a');
    fs::create_directories(model / "refs");
    fs::create_directories(model / "snapshots" / commit);
    write_bytes(model / "refs/main", commit);
    fs::copy_file(style(), model / "snapshots" / commit / "pytorch_lora_weights.safetensors");
  }
};

TEST_F(FewStepFlags, FastTakesTheLcmLora) {
  run(open({"--fast"})).exits(3).says("`semblance models pull lcm` downloads it");
  publish_lcm();
  run(open({"--fast"}))
      .exits(0)
      .says(
          "LCM, made for few steps: 6 steps with LCM and guidance 1.5 up to step 2, unless chosen "
          "otherwise");
  EXPECT_EQ(settings_in_png().find("Steps: 6, Sampler: LCM"), 0U) << settings_in_png();
  EXPECT_NE(settings_in_png().find("CFG scale: 1.5"), std::string::npos) << settings_in_png();
  run(open({"--fast", "--steps", "4", "--guidance", "1"})).exits(0);
  EXPECT_EQ(settings_in_png().find("Steps: 4, Sampler: LCM"), 0U) << settings_in_png();
}

TEST_F(FewStepFlags, ALoraIsRecognisedByItsName) {
  const std::string lora = file("sdxl_lightning_4step_lora.safetensors");
  fs::copy_file(style(), lora);
  run(open({"--lora", lora}))
      .exits(0)
      .says("SDXL Lightning, made for few steps: 4 steps with Euler and guidance 0");
  EXPECT_EQ(settings_in_png().find("Steps: 4, Sampler: Euler"), 0U) << settings_in_png();
}

TEST_F(FewStepFlags, PlanTellsTheTimeOfEachQuality) {
  std::vector<std::string> words = open({"--json"});
  words[0] = "plan";
  const auto seconds = [&](const std::string& quality) {
    std::vector<std::string> asked = words;
    asked.insert(asked.end(), {"--quality", quality});
    return nlohmann::json::parse(run(asked).exits(0).out())["seconds"].get<double>();
  };
  EXPECT_LT(seconds("draft"), seconds("good"));
  EXPECT_LT(seconds("good"), seconds("best"));
  const auto qualities = nlohmann::json::parse(run(words).exits(0).out())["qualities"];
  ASSERT_EQ(qualities.size(), 3U);
  EXPECT_EQ(qualities[0]["name"], "draft");
  EXPECT_LT(qualities[0]["seconds"], qualities[1]["seconds"]);
  EXPECT_LT(qualities[1]["seconds"], qualities[2]["seconds"]);
  run(generate({"--quality", "superb"})).exits(2).says("--quality");
}

}  // namespace
}  // namespace semblance::cli
