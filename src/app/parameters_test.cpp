#include "app/parameters.h"

#include <gtest/gtest.h>

namespace semblance {
namespace {

Request snow() {
  Request request;
  request.prompt = "a man in the snow";
  request.width = 512;
  request.height = 768;
  request.seed = 42;
  return request;
}

TEST(Parameters, DescribeHowThePictureWasMade) {
  Request request = snow();
  request.negative = "blurry";
  EXPECT_EQ(parameters_text(request, {.base = "/home/me/models/sdxl-base/"}),
            "a man in the snow\n"
            "Negative prompt: blurry\n"
            "Steps: 30, Sampler: Euler, CFG scale: 5, Seed: 42, Size: 512x768, Model: sdxl-base, "
            "IdentityNet strength: 0.8, Adapter strength: 0.8, Precision: f32, Version: " +
                program_version());
}

TEST(Parameters, HasTheLikenessWhereItIsKnown) {
  const Request request{.prompt = "a man", .negative = {}, .width = 64, .height = 64};
  EXPECT_EQ(parameters_text(request, {.base = "m"}).find("Likeness"), std::string::npos);
  const std::string text = parameters_text(request, {.base = "m", .likeness = 0.62345});
  EXPECT_NE(text.find(", Likeness: 0.623, Version: "), std::string::npos);
}

TEST(Parameters, KeepLineBreaksInPrompts) {
  Request request = snow();
  request.prompt = "one\ntwo";
  EXPECT_TRUE(parameters_text(request, {.base = "m"}).starts_with("one\ntwo\nSteps: 30, "));
}

TEST(Parameters, DistinguishNoNegativeFromAnEmptyOne) {
  Request request = snow();
  EXPECT_EQ(parameters_text(request, {.base = "m"}).find("egative"), std::string::npos);
  request.negative = "";
  EXPECT_NE(parameters_text(request, {.base = "m"}).find(", Empty negative: encoded, "),
            std::string::npos);
}

TEST(Parameters, IncludeNonDefaultValues) {
  Request request = snow();
  request.identity_end = 0.5F;
  const std::string text =
      parameters_text(request, {.base = "m", .precision = Precision::kBF16, .backend = "ref"});
  EXPECT_NE(text.find(", IdentityNet start: 0, IdentityNet end: 0.5, "), std::string::npos);
  EXPECT_NE(text.find(", Precision: bf16, Backend: ref, "), std::string::npos);
}

TEST(Parameters, KeepWarningsInEnglishAsOneValue) {
  set_language(Language::kSpanish);
  MadeWith made_with{.base = "m"};
  made_with.warnings = {{.kind = Warning::Kind::kPromptCut, .tokens = 77, .detail = "ice"},
                        {.kind = Warning::Kind::kSampler, .detail = "IPNDMScheduler"}};
  const std::string text = parameters_text(snow(), made_with);
  set_language(Language::kEnglish);
  EXPECT_NE(
      text.find(
          R"(, Warnings: "prompt: the model reads 77 tokens; cut off: \"ice\"; the model)"
          " specifies the sampler IPNDMScheduler, which is not available: Euler is used, and the "
          "picture will differ\", Version: "),
      std::string::npos)
      << text;
}

TEST(Parameters, NameTheSamplerAsTheWebUiDoes) {
  const auto sampled = [](const Request& request, const SchedulerConfig& model) {
    MadeWith made_with{.base = "m"};
    made_with.scheduler = model;
    const std::string text = parameters_text(request, made_with);
    return text.substr(text.find("Steps: "), text.find(", CFG scale") - text.find("Steps: "));
  };
  SchedulerConfig model;
  EXPECT_EQ(sampled(snow(), model), "Steps: 30, Sampler: Euler");
  model.class_name = "DPMSolverMultistepScheduler";
  model.curve = Curve::kKarras;
  const std::string karras = "Steps: 30, Sampler: DPM++ 2M, Schedule type: Karras";
  EXPECT_EQ(sampled(snow(), model), karras);
  Request request = snow();
  request.sigmas = Choice("default");
  EXPECT_EQ(sampled(request, model), "Steps: 30, Sampler: DPM++ 2M");
  request.scheduler = Choice("dpmpp_2m");
  request.sigmas = Choice("karras");
  EXPECT_EQ(sampled(request, {}), karras);
  request.sigmas = Choice("uniform");  // the default curve with a spacing
  EXPECT_EQ(sampled(request, {}), "Steps: 30, Sampler: DPM++ 2M, Schedule type: Uniform");
  // DDIM does not read the curve of a model's file.
  request.scheduler = Choice("ddim");
  request.sigmas.reset();
  EXPECT_EQ(sampled(request, model), "Steps: 30, Sampler: DDIM");
}

TEST(Parameters, NameFilesAndParts) {
  EXPECT_EQ(model_name("/home/me/film v2.1.safetensors"), "film v2.1");
  EXPECT_EQ(model_name("/home/me/film v2.1/"), "film v2.1");
  EXPECT_EQ(model_name("/hub/models--a--b/snapshots/c0ffee"), "b");
  const std::string text = parameters_text(
      snow(), {.base = "/m/film.ckpt",
               .parts = {.unet = "/m/u.gguf", .vae = "/hub/models--a--vae/snapshots/c0ffee"}});
  EXPECT_NE(text.find(", Model: film, UNet: u.gguf, VAE: vae, "), std::string::npos) << text;
}

TEST(Parameters, QuoteAModelNameWithAComma) {
  EXPECT_NE(parameters_text(snow(), {.base = "a, b: \"c\""}).find(R"(Model: "a, b: \"c\"", )"),
            std::string::npos);
}

}  // namespace
}  // namespace semblance
