// Pictures of small checkpoints, compared with the published InstantID pipeline
// (tools/oracle/pipeline.py).
#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "backend/backends.h"
#include "core/json.h"
#include "image/decode.h"
#include "pipeline/models_test.h"
#include "pipeline/pipeline.h"
#include "tests/support/copying_backend.h"
#include "tests/support/errors.h"
#include "tests/support/npy.h"
#include "tests/support/psnr.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string name;  // "fp16_published/plain"
  ModelPaths paths;
  Request request;
  std::vector<float> embedding;
  Keypoints keypoints;
};

std::vector<fs::path> case_folders() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::recursive_directory_iterator(testing::golden_path("pipeline"))) {
    if (entry.path().filename() == "case.json") folders.push_back(entry.path().parent_path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

Case load(const fs::path& folder) {
  const Json json = Json::load(folder / "case.json");
  Case loaded;
  const fs::path checkpoint = folder.parent_path() / "checkpoint";
  loaded.name = folder.parent_path().filename() / folder.filename();
  loaded.paths = testing::models_in(checkpoint);
  Request& request = loaded.request;
  request.prompt = json.get_string("prompt");
  if (json.has("negative")) request.negative = json.get_string("negative");
  const auto size = json.get_int_list("size");
  request.width = static_cast<int>(size[0]);
  request.height = static_cast<int>(size[1]);
  request.steps = static_cast<int>(json.get_int("steps"));
  request.guidance = static_cast<float>(json.get_float("guidance"));
  request.identity_strength = static_cast<float>(json.get_float("identity_strength"));
  request.adapter_strength = static_cast<float>(json.get_float("adapter_strength"));
  request.identity_start = json.get_float("identity_start");
  request.identity_end = json.get_float("identity_end");
  request.encoding = json.get_string("encoding", std::string("plain"));
  request.guidance_end = json.get_float("guidance_end", 1.0);
  request.perturbed_guidance = static_cast<float>(json.get_float("perturbed_guidance", 0.0));
  request.freeu = json.get_bool("freeu", false);
  request.reuse = static_cast<int>(json.get_int("reuse", 1));
  request.seed = static_cast<std::uint64_t>(json.get_int("seed"));
  for (const std::string& lora : json.get_string_list("loras", std::vector<std::string>()))
    request.loras.push_back((folder / lora).string());
  for (double value : json.get_float_list("embedding"))
    loaded.embedding.push_back(static_cast<float>(value));
  const auto points = json.child("keypoints").items();
  for (std::size_t i = 0; i < loaded.keypoints.size(); ++i) {
    for (std::size_t j = 0; j < 2; ++j)
      loaded.keypoints[i][j] = points.at(i).value().at(j).get<float>();
  }
  return loaded;
}

struct Result {
  std::vector<float> latent;
  Image picture;
};

Result run(const Case& wanted, const PipelineOptions& options) {
  Pipeline pipeline(wanted.paths, options);
  Generation generation = pipeline.start(wanted.request, wanted.embedding, wanted.keypoints);
  while (generation.next()) {
  }
  return {generation.latent(), generation.decode()};
}

double psnr_to_golden(const Image& picture, const fs::path& folder) {
  const Image want = decode(folder / "picture.png");
  EXPECT_EQ(picture.size(), want.size());
  return testing::psnr(picture.pixels(), want.pixels());
}

class PublishedPipeline : public ::testing::TestWithParam<fs::path> {};

TEST_P(PublishedPipeline, AgreesInF32) {
  const Case wanted = load(GetParam());
  const Result result = run(wanted, {.precision = Precision::kF32});
  testing::expect_close(result.latent, testing::read_npy<float>(GetParam() / "latents.npy").values,
                        {1e-6, 1e-3});
  const double agreement = psnr_to_golden(result.picture, GetParam());
  EXPECT_GE(agreement, 50);
  RecordProperty("psnr", std::to_string(agreement));
}

TEST_P(PublishedPipeline, AgreesInBf16) {
  if (!has_native_bf16()) GTEST_SKIP() << "this processor has no bf16 multiplication";
  const double agreement =
      psnr_to_golden(run(load(GetParam()), {.precision = Precision::kBF16}).picture, GetParam());
  EXPECT_GE(agreement, 30);
  RecordProperty("psnr", std::to_string(agreement));
}

INSTANTIATE_TEST_SUITE_P(Goldens, PublishedPipeline, ::testing::ValuesIn(case_folders()),
                         [](const auto& info) {
                           return info.param.parent_path().filename().string() + "_" +
                                  info.param.filename().string();
                         });

class InAnyMemory : public ::testing::TestWithParam<const char*> {};

TEST_P(InAnyMemory, GivesTheSameBits) {
  const Case wanted = load(testing::golden_path(std::string("pipeline/") + GetParam()));
  const Result all = run(wanted, {.precision = Precision::kF32});
  int fitting = 0;
  for (std::uint64_t kib : {600, 2400, 3600, 4200, 5000, 6000, 7000, 8000, 12000, 16000, 24000}) {
    PipelineOptions options{.precision = Precision::kF32};
    options.workspace.places_bytes = kib << 10;
    std::optional<Result> result;
    try {
      result = run(wanted, options);
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::kMemory) << kib << ": " << error.what();
      continue;
    }
    ++fitting;
    EXPECT_EQ(result->latent, all.latent) << kib;
    EXPECT_TRUE(std::ranges::equal(result->picture.pixels(), all.picture.pixels())) << kib;
  }
  EXPECT_GE(fitting, 6);
}

INSTANTIATE_TEST_SUITE_P(Goldens, InAnyMemory,
                         ::testing::Values("fp16_published/plain", "fp16_published/lora_kinds_2",
                                           "bf16_shards/lora_kinds", "fp16_published/all_extras",
                                           "fp16_published/reuse"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '/', '_');
                           return name;
                         });

TEST(Pipeline, GivesTheSameBitsOnADeviceWithItsOwnMemory) {
  const Case wanted = load(testing::golden_path("pipeline/fp16_published/plain"));
  const Result host = run(wanted, {.precision = Precision::kF32});
  PipelineOptions options{.precision = Precision::kF32};
  options.backend = testing::copying_backend().name();
  for (const bool is_limited : {false, true}) {
    if (is_limited) options.workspace.places_bytes = std::uint64_t{4200} << 10;
    const Result device = run(wanted, options);
    EXPECT_EQ(device.latent, host.latent) << is_limited;
    EXPECT_TRUE(std::ranges::equal(device.picture.pixels(), host.picture.pixels())) << is_limited;
  }
}

/// stages_test.cpp compares the encoders' results with diffusers.
TEST(Pipeline, SkipsLayersOfTheTextEncoders) {
  Case wanted = load(testing::golden_path("pipeline/fp16_published/plain"));
  const Result usual = run(wanted, {.precision = Precision::kF32});
  wanted.request.clip_skip = 1;
  const Result skipped = run(wanted, {.precision = Precision::kF32});
  EXPECT_NE(skipped.latent, usual.latent);
  wanted.request.clip_skip = 2;
  testing::expect_error(ErrorKind::kArgument,
                        "cannot take clip_skip: expected at most 1, since the model's first text "
                        "encoder has 2 layers, got 2",
                        [&] { run(wanted, {.precision = Precision::kF32}); });
}

TEST(Pipeline, AgreesWithTheReferenceBackend) {
  const Case wanted = load(testing::golden_path("pipeline/fp16_published/plain"));
  const Result reference = run(wanted, {.precision = Precision::kF32, .backend = "ref"});
  testing::expect_close(run(wanted, {.precision = Precision::kF32}).latent, reference.latent,
                        {1e-6, 1e-3});
}

}  // namespace
}  // namespace semblance
