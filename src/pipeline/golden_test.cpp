// Pictures of small checkpoints, compared with the published InstantID pipeline
// (tools/oracle/pipeline.py).
#include "backend/backends.h"
#include "pipeline/golden_case_test.h"
#include "tests/support/copying_backend.h"
#include "tests/support/errors.h"
#include "tests/support/npy.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

using Case = testing::GoldenCase;
using Result = testing::GoldenResult;
using testing::psnr_to_golden;

Case load(const fs::path& folder) { return testing::load_golden_case(folder); }
Result run(const Case& wanted, const PipelineOptions& options) {
  return testing::run_golden_case(wanted, options);
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

INSTANTIATE_TEST_SUITE_P(Goldens, PublishedPipeline,
                         ::testing::ValuesIn(testing::golden_case_folders()), [](const auto& info) {
                           return info.param.parent_path().filename().string() + "_" +
                                  info.param.filename().string();
                         });

class InAnyMemory : public ::testing::TestWithParam<const char*> {};

TEST_P(InAnyMemory, GivesTheSameBits) {
  const Case wanted = load(testing::golden_path(std::string("pipeline/") + GetParam()));
  EXPECT_GE(testing::fits_with_the_same_bits(
                wanted, {.precision = Precision::kF32},
                {600, 2400, 3600, 4200, 5000, 6000, 7000, 8000, 12000, 16000, 24000}),
            6);
}

INSTANTIATE_TEST_SUITE_P(
    Goldens, InAnyMemory,
    ::testing::Values("fp16_published/plain", "fp16_published/lora_kinds_2",
                      "bf16_shards/lora_kinds", "fp16_published/all_extras", "fp16_published/reuse",
                      "fp16_published/concat", "fp16_published/sequence",
                      "fp16_published/adapter_window", "fp16_published/from_picture",
                      "fp16_published/repaint", "fp16_published/inpainting_model",
                      "fp16_published/control_two", "fp16_published/control_union",
                      "fp16_published/control_extras", "fp16_published/people_two",
                      "fp16_published/people_three", "fp16_published/people_unguided",
                      "fp16_published/region_mask"),
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

TEST(Pipeline, GoesOnWithAModelMadeForInpainting) {
  const Case wanted = load(testing::golden_path("pipeline/fp16_published/inpainting_model"));
  const Result whole = run(wanted, {.precision = Precision::kF32});
  Pipeline pipeline(wanted.paths, {.precision = Precision::kF32});
  const StartPicture from{decode(wanted.initial), grey(decode(wanted.mask))};
  Generation begun = pipeline.start(wanted.request, wanted.people, {}, &from);
  begun.next();
  const fs::path state = fs::temp_directory_path() / fmt::format("semblance_state_{}", getpid());
  save(begun.saved(), state);
  Generation resumed = pipeline.resume(load_saved_run(state));
  fs::remove(state);
  while (resumed.next()) {
  }
  EXPECT_EQ(resumed.latent(), whole.latent);
  Request unmasked = wanted.request;
  unmasked.has_mask = false;
  unmasked.strength.reset();
  testing::expect_error(ErrorKind::kArgument,
                        "cannot make the picture: the base model is made for inpainting\n  give it "
                        "a picture (--init) "
                        "and a mask (--mask), or use another base model",
                        [&] { pipeline.start(unmasked, wanted.people); });
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
