#include "pipeline/request_defaults.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "pipeline/opened_models.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

class Defaults : public ::testing::Test {
 protected:
  Defaults() { fs::create_directories(folder_); }
  ~Defaults() override { fs::remove_all(folder_); }

  std::string file(const std::string& name) const {
    std::ofstream(folder_ / name) << "a LoRA";
    return (folder_ / name).string();
  }
  RequestDefaults of(const ModelPaths& paths) const { return {OpenedModels(), paths, {folder_}}; }
  static Request with(std::vector<std::string> loras) {
    Request request;
    request.loras = std::move(loras);
    return request;
  }

  fs::path folder_ = fs::temp_directory_path() / ("semblance_defaults_" + std::to_string(getpid()));
};

TEST_F(Defaults, AreThoseOfTheDemoOrTheModel) {
  const Request request = RequestDefaults().complete({});
  EXPECT_EQ(request.steps, 30);
  EXPECT_EQ(request.guidance, 5.0F);
  EXPECT_FALSE(request.scheduler || request.spacing);
  EXPECT_EQ(RequestDefaults(3).complete({}).guidance, 3.0F);
}

TEST_F(Defaults, FollowALoraForFewSteps) {
  file("sdxl_lightning_8step_lora.safetensors");
  const RequestDefaults defaults = of({.base = "base"});
  const Request request = defaults.complete(with({"sdxl_lightning_8step_lora:0.9"}));
  EXPECT_EQ(request.steps, 8);
  EXPECT_EQ(request.guidance, 0.0F);
  EXPECT_EQ(request.scheduler, Choice("euler"));
  EXPECT_EQ(request.spacing, Choice("trailing"));
  EXPECT_FALSE(defaults.few_steps(with({"sdxl_lightning_8step_lora:0"})));
  EXPECT_FALSE(defaults.few_steps({}));
}

TEST_F(Defaults, FollowABaseForFewSteps) {
  const Request request = of({.base = "models/sdxl-turbo"}).complete({});
  EXPECT_EQ(request.steps, 4);
  EXPECT_EQ(request.scheduler, Choice("euler_a"));
  // A UNet in its place decides.
  EXPECT_EQ(of({.base = "sdxl-turbo", .unet = "plain.safetensors"}).complete({}).steps, 30);
  OpenedModels lcm;
  lcm.unet.guidance_channels = 256;
  const Request complete = RequestDefaults(lcm, {.base = "base"}, {}).complete({});
  EXPECT_EQ(complete.scheduler, Choice("lcm"));
  EXPECT_FALSE(complete.guidance_end) << "guidance is an input";
}

TEST_F(Defaults, LeaveWhatIsChosen) {
  Request request;
  request.steps = 7;
  request.guidance = 2;
  request.scheduler = std::string("dpmpp_2m");
  const Request complete = of({.base = "sdxl-turbo"}).complete(request);
  EXPECT_EQ(complete.steps, 7);
  EXPECT_EQ(complete.guidance, 2.0F);
  EXPECT_EQ(complete.scheduler, Choice("dpmpp_2m"));
  EXPECT_FALSE(complete.spacing);
}

TEST_F(Defaults, FastAddsTheLcmLora) {
  Request request;
  request.fast = true;
  testing::expect_error(ErrorKind::kMissing,
                        "the LCM-LoRA is not on this machine\n  `semblance models pull lcm`",
                        [&] { of({.base = "base"}).complete(request); });
  const std::string lcm = file("lcm.safetensors");
  const Request complete = of({.base = "base", .lcm = lcm}).complete(request);
  EXPECT_EQ(complete.loras, std::vector<std::string>{lcm});
  EXPECT_EQ(complete.steps, 6);
  EXPECT_EQ(complete.guidance, 1.5F);
  EXPECT_EQ(complete.guidance_end, 0.34);
  EXPECT_EQ(complete.scheduler, Choice("lcm"));
  EXPECT_FALSE(complete.fast);
  EXPECT_EQ(of({.base = "sdxl-turbo"}).complete(request).steps, 4) << "it is fast already";
  request.steps = 4;
  EXPECT_EQ(of({.base = "base", .lcm = lcm}).complete(request).steps, 4);
  request.guidance = 2;
  EXPECT_FALSE(of({.base = "base", .lcm = lcm}).complete(request).guidance_end);
}

TEST_F(Defaults, QualityIsWhatTheModelCan) {
  const auto steps = [](const RequestDefaults& defaults, const char* quality) {
    Request request;
    request.quality = std::string(quality);
    return *defaults.complete(request).steps;
  };
  const RequestDefaults plain = of({.base = "base"});
  EXPECT_EQ(steps(plain, "draft"), 12);
  EXPECT_EQ(steps(plain, "good"), 30);
  EXPECT_EQ(steps(plain, "best"), 50);
  const RequestDefaults fast = of({.base = "base", .lcm = file("lcm.safetensors")});
  EXPECT_EQ(steps(fast, "draft"), 6);
  EXPECT_EQ(steps(fast, "good"), 30);
  const RequestDefaults turbo = of({.base = "sdxl-turbo"});
  EXPECT_EQ(steps(turbo, "draft"), 2);
  EXPECT_EQ(steps(turbo, "best"), 4);
  Request chosen;
  chosen.quality = std::string("best");
  chosen.steps = 9;
  EXPECT_EQ(plain.complete(chosen).steps, 9);
}

}  // namespace
}  // namespace semblance
