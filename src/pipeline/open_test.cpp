// What a pipeline refuses before computing: invalid requests and damaged checkpoints.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "backend/backends.h"
#include "core/stop.h"
#include "pipeline/picture_sampler.h"
#include "pipeline/pipeline.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::error_of;

TEST(Request, RefusesValuesOutOfRange) {
  const Request good{.prompt = "a portrait", .negative = {}, .width = 64, .height = 64};
  check(good);
  const auto said = [&](const auto& change) {
    Request request = good;
    change(request);
    return error_of([&] { check(request); });
  };
  EXPECT_EQ(said([](Request& r) { r.width = 100; }),
            "argument: cannot take width: expected a multiple of 8 from 8 to 8192, got 100; the "
            "nearest is 104");
  EXPECT_EQ(said([](Request& r) { r.height = 0; }),
            "argument: cannot take height: expected a multiple of 8 from 8 to 8192, got 0");
  EXPECT_EQ(said([](Request& r) { r.height = 1 << 20; }),
            "argument: cannot take height: expected a multiple of 8 from 8 to 8192, got 1048576");
  EXPECT_EQ(said([](Request& r) { r.steps = 0; }),
            "argument: cannot take steps: expected a whole number from 1 to 1000, got 0");
  EXPECT_EQ(said([](Request& r) { r.guidance = -1; }),
            "argument: cannot take guidance: expected a number from 0 to 100, got -1");
  EXPECT_EQ(said([](Request& r) { r.identity_strength = NAN; }),
            "argument: cannot take identity_strength: expected a number from 0 to 5, got nan");
  EXPECT_EQ(said([](Request& r) { r.adapter_strength = 6; }),
            "argument: cannot take adapter_strength: expected a number from 0 to 5, got 6");
  EXPECT_EQ(said([](Request& r) { r.adapter_strength = 5.01F; }),
            "argument: cannot take adapter_strength: expected a number from 0 to 5, got 5.01");
  EXPECT_EQ(said([](Request& r) { r.prompt = "caf\xe9"; }),
            "argument: cannot read prompt: expected UTF-8 text, but byte 3 (0xe9) is invalid\n  "
            "save or type the text as UTF-8");
  EXPECT_NE(said([](Request& r) { r.negative = "\xff"; }).find("negative_prompt"),
            std::string::npos);
  EXPECT_EQ(said([](Request& r) { r.prompt.assign(65'536, 'a'), r.negative = r.prompt; }),
            "no error");
  EXPECT_EQ(said([](Request& r) { r.prompt.assign(65'537, 'a'); }),
            "argument: cannot take prompt: expected text of at most 65536 bytes, got 65537 bytes");
  EXPECT_EQ(
      said([](Request& r) { r.negative = std::string(1 << 20, 'a'); }),
      "argument: cannot take negative_prompt: expected text of at most 65536 bytes, got 1048576 "
      "bytes");
  EXPECT_EQ(said([](Request& r) { r.identity_end = 2; }),
            "argument: cannot take identity_end: expected a number from 0 to 1, got 2");
  EXPECT_EQ(said([](Request& r) { r.identity_start = std::numeric_limits<double>::infinity(); }),
            "argument: cannot take identity_start: expected a number from 0 to 1, got inf");
  EXPECT_EQ(said([](Request& r) { r.adapter_start = 0.5, r.adapter_end = 0.2; }),
            "argument: cannot take adapter_start: expected at most adapter_end, got 0.5 and 0.2");
  EXPECT_EQ(said([](Request& r) { r.identity_start = 0.5, r.identity_end = 0.2; }),
            "argument: cannot take identity_start: expected at most identity_end, got 0.5 and 0.2");
}

/// A copy of a small checkpoint, to be damaged by tests.
class Damaged : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("semblance_open_" + std::to_string(getpid()));
    fs::copy(testing::golden_path("pipeline/fp16_published/checkpoint"), folder_,
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    paths_ = {folder_ / "base", folder_ / "identitynet", folder_ / "ip-adapter.bin"};
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string opening() {
    return error_of([&] { Pipeline(paths_, {.precision = Precision::kF32}); });
  }
  /// Replaces one part of a text file.
  static void edit(const fs::path& file, const std::string& from, const std::string& to) {
    std::ifstream in(file);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from << " is not in " << file;
    text.replace(at, from.size(), to);
    std::ofstream(file) << text;
  }
  fs::path folder_;
  ModelPaths paths_;
};

TEST_F(Damaged, OpensBeforeTheDamage) { EXPECT_EQ(opening(), "no error"); }

TEST_F(Damaged, NamesTheMissingFile) {
  for (const char* name :
       {"base/unet/config.json", "base/model_index.json", "base/scheduler/scheduler_config.json",
        "base/tokenizer/merges.txt", "base/vae/diffusion_pytorch_model.fp16.safetensors",
        "identitynet/config.json"}) {
    const fs::path kept = folder_ / "kept";
    fs::rename(folder_ / name, kept);
    const std::string text = opening();
    EXPECT_NE(text.find(fs::path(name).filename().stem().stem().string()), std::string::npos)
        << name << " gives: " << text;
    EXPECT_NE(text.find(folder_.string()), std::string::npos) << text;
    fs::rename(kept, folder_ / name);
  }
  paths_.adapter = folder_ / "none.bin";
  EXPECT_NE(opening().find("cannot open --adapter"), std::string::npos) << opening();
  paths_.adapter.clear();
  EXPECT_NE(opening().find("--adapter is needed"), std::string::npos) << opening();
}

TEST_F(Damaged, UsesTheSamplerThatTheModelSpecifies) {
  const auto used = [this] {
    const Pipeline pipeline(paths_, {.precision = Precision::kF32});
    const Request request{.prompt = "a man", .negative = {}};
    EXPECT_EQ(pipeline.warnings(request), std::vector<Warning>{});
    return sampler_in_use(request, pipeline.scheduler()).sampler->name;
  };
  EXPECT_EQ(used(), "euler");
  // diffusers uses model_index.json, people the scheduler's own file.
  for (const fs::path& file :
       {folder_ / "base/model_index.json", folder_ / "base/scheduler/scheduler_config.json"}) {
    edit(file, "\"EulerDiscreteScheduler\"", "\"DDIMScheduler\"");
    EXPECT_EQ(used(), "ddim") << file;
    edit(file, "\"DDIMScheduler\"", "\"EulerDiscreteScheduler\"");
  }
}

TEST_F(Damaged, WarnsOfASamplerThatSemblanceLacks) {
  Request request{.prompt = "a man", .negative = {}};
  const auto warnings = [&] {
    return Pipeline(paths_, {.precision = Precision::kF32}).warnings(request);
  };
  EXPECT_EQ(warnings(), std::vector<Warning>{});
  const auto named = [](const std::string& sampler) {
    return std::vector<Warning>{{.kind = Warning::Kind::kSampler, .detail = sampler}};
  };
  // diffusers uses model_index.json, people the scheduler's own file.
  for (const fs::path& file :
       {folder_ / "base/model_index.json", folder_ / "base/scheduler/scheduler_config.json"}) {
    edit(file, "\"EulerDiscreteScheduler\"", "\"IPNDMScheduler\"");
    EXPECT_EQ(warnings(), named("IPNDMScheduler")) << file;
    request.scheduler = Choice("ddim");
    EXPECT_EQ(warnings(), std::vector<Warning>{}) << file;
    request.scheduler.reset();
    edit(file, "\"IPNDMScheduler\"", "\"EulerDiscreteScheduler\"");
  }
  const fs::path file = folder_ / "base/scheduler/scheduler_config.json";
  edit(file, "EulerDiscreteScheduler", "\\u001b[2J" + std::string(300, 'x'));
  const std::string hostile = warnings().at(0).detail;
  EXPECT_TRUE(hostile.starts_with("?[2Jxxx")) << hostile;
  EXPECT_LE(hostile.size(), Warning::kMostDetailBytes);
  edit(file, "\"_class_name\": \"", "\"_class_name\": 1, \"x\": \"");
  EXPECT_NE(opening().find("\"_class_name\" must be a string"), std::string::npos) << opening();
}

TEST_F(Damaged, WarnsOfPromptWeightsAndCutOffPrompts) {
  const Pipeline pipeline(paths_, {.precision = Precision::kF32});
  std::string longest;
  for (int i = 0; i < 200; ++i) longest += "\u00e9 ";
  Request request{.prompt = longest + "(man:1.2)", .negative = "[snow] " + longest};
  request.encoding = std::string("plain");
  const std::vector<Warning> warnings = pipeline.warnings(request);
  ASSERT_EQ(warnings.size(), 6U);
  EXPECT_EQ(warnings[4].kind, Warning::Kind::kPromptLanguage);
  for (std::size_t i = 0; i < 4; ++i) {
    const bool cut = i >= 2;
    EXPECT_EQ(warnings[i].kind, cut ? Warning::Kind::kPromptCut : Warning::Kind::kPromptWeights);
    EXPECT_EQ(warnings[i].in_negative, i % 2 == 1);
    EXPECT_EQ(warnings[i].tokens, cut ? 77 : 0);
    EXPECT_LE(warnings[i].detail.size(), Warning::kMostDetailBytes);
    EXPECT_EQ(warnings[i].detail.ends_with("\u2026"), cut);
    EXPECT_EQ(warning_kind(code_of(warnings[i].kind)), warnings[i].kind);
  }
  EXPECT_EQ(warning_kind("none"), std::nullopt);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_NE(error_of([&] {
              pipeline.warnings({.prompt = longest, .negative = {}}, stop.get_token());
            }).find("cancelled"),
            std::string::npos);
}

TEST(WarningText, IsInBothLanguages) {
  const Warning weights{.kind = Warning::Kind::kPromptWeights};
  const Warning cut{
      .kind = Warning::Kind::kPromptCut, .in_negative = true, .tokens = 77, .detail = "in snow"};
  const Warning sampler{.kind = Warning::Kind::kSampler, .detail = "IPNDMScheduler"};
  EXPECT_EQ(
      text_of(weights, Language::kEnglish),
      "prompt: weights such as (snow:1.3) or [snow] are read as plain text, brackets included");
  EXPECT_EQ(text_of(weights, Language::kSpanish, {.prompt = "--prompt"}),
            "--prompt: los pesos como (nieve:1.3) o [nieve] se leen como texto corriente, con sus "
            "paréntesis y corchetes");
  EXPECT_EQ(text_of(cut, Language::kEnglish, {.negative = "--negative"}),
            "--negative: the model reads 77 tokens; cut off: \"in snow\"");
  EXPECT_EQ(text_of(cut, Language::kSpanish),
            "negative_prompt: el modelo lee 77 tokens; queda fuera: \"in snow\"");
  const auto english = [](Warning::Kind kind, const char* detail) {
    return text_of({.kind = kind, .detail = detail}, Language::kEnglish);
  };
  const auto spanish = [](Warning::Kind kind, const char* detail) {
    return text_of({.kind = kind, .detail = detail}, Language::kSpanish);
  };
  EXPECT_EQ(english(Warning::Kind::kPromptSchedule, "[a|b]"),
            "prompt: [a|b] would change the prompt between steps, which is not possible here: it "
            "is read as text");
  EXPECT_EQ(spanish(Warning::Kind::kPromptSchedule, "[a|b]"),
            "prompt: [a|b] cambiaría la descripción entre pasos, lo que aquí no es posible: se lee "
            "como texto");
  EXPECT_EQ(english(Warning::Kind::kPromptAnd, ""),
            "prompt: AND is read as a word: prompts cannot be mixed here");
  EXPECT_EQ(spanish(Warning::Kind::kPromptAnd, ""),
            "prompt: AND se lee como una palabra: aquí no se pueden mezclar descripciones");
  const Warning lora{.kind = Warning::Kind::kPromptLora, .in_negative = true, .detail = "film"};
  EXPECT_EQ(text_of(lora, Language::kEnglish),
            "negative_prompt: LoRAs have an effect only in the prompt; not applied: film");
  EXPECT_EQ(text_of(lora, Language::kSpanish),
            "negative_prompt: las LoRA solo tienen efecto en la descripción; no se aplican: film");
  EXPECT_EQ(english(Warning::Kind::kPromptLanguage, "Neon, Snow"),
            "prompt: this does not look like English. These models were trained on English "
            "captions and follow other languages less well; describe the picture in English, or "
            "take a style: Neon, Snow");
  EXPECT_TRUE(spanish(Warning::Kind::kPromptLanguage, "Neon, Snow")
                  .ends_with("describe la imagen en inglés o usa un estilo: Neon, Snow"));
  EXPECT_EQ(text_of(sampler, Language::kEnglish),
            "the model specifies the sampler IPNDMScheduler, which is not available: Euler is "
            "used, and the picture will differ");
  EXPECT_EQ(text_of(sampler, Language::kSpanish),
            "el modelo indica el muestreador IPNDMScheduler, que no está disponible: se usa Euler "
            "y la imagen será distinta");
}

TEST_F(Damaged, UsesTheModelsGuidance) {
  const fs::path file = folder_ / "base/generation_config.json";
  const auto guidance = [&](const char* text) {
    std::ofstream(file) << text;
    return Pipeline(paths_, {.precision = Precision::kF32}).defaults().complete({}).guidance;
  };
  EXPECT_EQ(Pipeline(paths_, {.precision = Precision::kF32}).defaults().complete({}).guidance,
            5.0F);
  EXPECT_EQ(guidance(R"({"guidance_scale": 2.5})"), 2.5F);
  EXPECT_EQ(guidance("{}"), 5.0F);
  for (const char* wrong : {"-1", "100.1", "101", "1e99", "\"much\""}) {
    std::ofstream(file) << R"({"guidance_scale": )" << wrong << "}";
    EXPECT_NE(opening().find("guidance_scale"), std::string::npos) << wrong << ": " << opening();
    EXPECT_NE(opening().find(file.string()), std::string::npos) << opening();
  }
  std::ofstream(file) << "[]";
  EXPECT_NE(opening().find(file.string()), std::string::npos) << opening();
}

TEST_F(Damaged, SaysWhichFolderIsExpected) {
  const ModelPaths good = paths_;
  paths_.base = folder_ / "ip-adapter.bin";
  EXPECT_EQ(opening(), "argument: cannot use --base " + paths_.base.string() +
                           ": it is a face or picture adapter\n  --adapter takes InstantID's");
  paths_.base = folder_ / "base/unet";
  EXPECT_NE(
      opening().find("it has no model_index.json\n  expected a diffusers folder of an SDXL model"),
      std::string::npos)
      << opening();
  paths_ = good;
  paths_.identitynet = folder_;
  EXPECT_NE(opening().find("it has no config.json\n  expected InstantID's folder ControlNetModel"),
            std::string::npos)
      << opening();
  paths_.identitynet = good.adapter;
  EXPECT_NE(opening().find("cannot open --identitynet"), std::string::npos) << opening();
  paths_ = good;
  fs::remove_all(folder_ / "base/text_encoder_2");
  EXPECT_NE(opening().find("has no second text encoder (text_encoder_2)"), std::string::npos)
      << opening();
}

TEST_F(Damaged, NamesAnIncompleteAdapter) {
  for (const auto& [has, lacks] : {std::pair<std::string, std::string>{"ip_adapter", "image_proj"},
                                   {"image_proj", "ip_adapter"}}) {
    const std::string header =
        "{\"" + has + R"(.1.weight": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}})";
    paths_.adapter = folder_ / "half.safetensors";
    std::ofstream file(paths_.adapter, std::ios::binary);
    file << static_cast<char>(header.size()) << std::string(7, '\0') << header
         << std::string(2, '\0');
    file.close();
    EXPECT_EQ(opening(), "missing: cannot use the face adapter " + paths_.adapter.string() +
                             ": it has no tensors under " + lacks +
                             "\n  is this InstantID's ip-adapter.bin?");
  }
}

TEST_F(Damaged, ListsTensorsThatDoNotFitTheConfig) {
  edit(folder_ / "base/vae/config.json", "\"layers_per_block\": 2", "\"layers_per_block\": 3");
  const std::string text = opening();
  EXPECT_NE(text.find("the VAE in"), std::string::npos) << text;
  EXPECT_NE(text.find("up_blocks.0.resnets.3"), std::string::npos) << text;
}

TEST_F(Damaged, NamesIncompatibleParts) {
  edit(folder_ / "base/unet/config.json", "\"cross_attention_dim\": 64",
       "\"cross_attention_dim\": 128");
  EXPECT_NE(opening().find("they are not compatible"), std::string::npos) << opening();
}

TEST_F(Damaged, ReportsAnIdentityNetOfAnotherStructure) {
  edit(folder_ / "identitynet/config.json", "\"in_channels\": 4", "\"in_channels\": 5");
  EXPECT_NE(opening().find("the UNet's latent has 4 channels, IdentityNet expects 5"),
            std::string::npos)
      << opening();
  edit(folder_ / "identitynet/config.json", "\"in_channels\": 5", "\"in_channels\": 4");
  edit(folder_ / "base/unet/config.json", "\"layers_per_block\": 2", "\"layers_per_block\": 3");
  EXPECT_NE(opening().find("layers_per_block 2,2,2, the UNet in"), std::string::npos) << opening();
}

TEST_F(Damaged, RefusesAValueOfTheWrongType) {
  edit(folder_ / "base/vae/config.json",
       "\"norm_num_groups\": ", "\"norm_num_groups\": \"many\", \"x\": ");
  EXPECT_NE(opening().find("norm_num_groups"), std::string::npos) << opening();
}

TEST_F(Damaged, RefusesATruncatedWeightFile) {
  fs::resize_file(folder_ / "base/unet/diffusion_pytorch_model.fp16.safetensors", 100000);
  EXPECT_NE(opening().find("diffusion_pytorch_model.fp16.safetensors"), std::string::npos)
      << opening();
  fs::resize_file(folder_ / "ip-adapter.bin", 1000);
  EXPECT_NE(opening(), "no error");
}

TEST_F(Damaged, RefusesInvalidEmbeddingsAndKeypoints) {
  Pipeline pipeline(paths_, {.precision = Precision::kF32});
  const Request request{.prompt = "a", .negative = {}, .width = 64, .height = 64, .steps = 1};
  const std::vector<float> embedding(512, 0.1F);
  EXPECT_EQ(
      error_of([&] { pipeline.start(request, std::span(embedding).first(100), Keypoints{}); }),
      "argument: cannot take the face's embedding: expected 512 numbers for each photo, got 100");
  Keypoints nan{};
  nan[2][0] = NAN;
  EXPECT_NE(error_of([&] { pipeline.start(request, embedding, nan); }).find("keypoint"),
            std::string::npos);
  Request broken = request;
  broken.prompt = "caf\xe9";
  EXPECT_NE(error_of([&] { pipeline.start(broken, embedding, Keypoints{}); }).find("UTF-8"),
            std::string::npos);
}

TEST_F(Damaged, StopsOnRequest) {
  Pipeline pipeline(paths_, {.precision = Precision::kF32});
  const Request request{.prompt = "a", .negative = {}, .width = 64, .height = 64, .steps = 2};
  const std::vector<float> embedding(512, 0.1F);
  Generation generation = pipeline.start(request, embedding, Keypoints{});
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(error_of([&] { generation.next(stop.get_token()); }), "cancelled: cancelled");
  EXPECT_EQ(error_of([&] { pipeline.start(request, embedding, Keypoints{}, stop.get_token()); }),
            "cancelled: cancelled");
  EXPECT_EQ(error_of([&] { generation.decode(stop.get_token()); }), "cancelled: cancelled");
  EXPECT_EQ(error_of([&] { Pipeline(paths_, {.precision = Precision::kF32}, stop.get_token()); }),
            "cancelled: cancelled");
  EXPECT_EQ(error_of([&] {
              pipeline.plan({.request = request, .format = ImageFormat::kPng},
                            stop_check(stop.get_token()));
            }),
            "cancelled: cancelled");
  EXPECT_TRUE(generation.next());  // continues where it stopped
  EXPECT_EQ(generation.step(), 1);
}

TEST(PipelineOptions, RefusesUnsupportedPrecisions) {
  const auto open = [](PipelineOptions options) {
    const fs::path checkpoint = testing::golden_path("pipeline/fp16_published/checkpoint");
    return error_of([&] {
      Pipeline({checkpoint / "base", checkpoint / "identitynet", checkpoint / "ip-adapter.bin"},
               options);
    });
  };
  EXPECT_NE(
      open({.precision = Precision::kF32, .backend = "abacus"}).find("unknown backend \"abacus\""),
      std::string::npos);
  EXPECT_NE(open({.precision = Precision::kF32, .backend = "vulkan"})
                .find("backend vulkan computes on a graphics card, and none has been chosen"),
            std::string::npos);
  EXPECT_NE(open({.precision = Precision::kF16})
                .find("cannot compute in f16: backend cpu computes in f32"),
            std::string::npos);
  if (!has_native_bf16()) {
    EXPECT_NE(open({.precision = Precision::kBF16}).find("--precision f32"), std::string::npos);
  }
}

}  // namespace
}  // namespace semblance
