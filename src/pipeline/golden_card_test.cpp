// Pictures of small checkpoints that a card computes, compared with the published InstantID
// pipeline.
#include "backend/vulkan/card_backend_test.h"
#include "pipeline/golden_case_test.h"
#include "tests/support/npy.h"

namespace semblance {
namespace {

class PublishedPipelineOnCard : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { testing::skip_without_card(); }
  std::filesystem::path folder() const {
    return testing::golden_path(std::string("pipeline/") + GetParam());
  }
  testing::GoldenResult run(Precision precision) const {
    return testing::run_golden_case(
        testing::load_golden_case(folder()),
        {.precision = precision, .backend = std::string(testing::card_backend().name())});
  }
};

TEST_P(PublishedPipelineOnCard, AgreesInF32) {
  const testing::GoldenResult result = run(Precision::kF32);
  testing::expect_close(result.latent, testing::read_npy<float>(folder() / "latents.npy").values,
                        {1e-6, 1e-3});
  const double agreement = testing::psnr_to_golden(result.picture, folder());
  EXPECT_GE(agreement, 50);
  RecordProperty("psnr", std::to_string(agreement));
}

TEST_P(PublishedPipelineOnCard, AgreesInF16) {
  const testing::GoldenResult result = run(Precision::kAuto);
  testing::expect_close(result.latent, testing::read_npy<float>(folder() / "latents.npy").values,
                        {1e-6, 2e-2});
  const double agreement = testing::psnr_to_golden(result.picture, folder());
  EXPECT_GE(agreement, 40);
  RecordProperty("psnr", std::to_string(agreement));
}

INSTANTIATE_TEST_SUITE_P(Goldens, PublishedPipelineOnCard,
                         ::testing::Values("fp16_published/plain", "fp16_published/all_extras",
                                           "fp16_published/freeu", "fp16_published/perturbed",
                                           "fp32_convolutions/plain", "bf16_shards/plain"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '/', '_');
                           return name;
                         });

class CardInAnyMemory : public ::testing::TestWithParam<Precision> {
 protected:
  void SetUp() override { testing::skip_without_card(); }
};

TEST_P(CardInAnyMemory, GivesTheSameBits) {
  const testing::GoldenCase wanted =
      testing::load_golden_case(testing::golden_path("pipeline/fp16_published/plain"));
  PipelineOptions options{.precision = GetParam(),
                          .backend = std::string(testing::card_backend().name())};
  const testing::GoldenResult all = testing::run_golden_case(wanted, options);
  int fitting = 0;
  for (std::uint64_t kib : {600, 3600, 4200, 8000}) {
    options.workspace.places_bytes = kib << 10;
    std::optional<testing::GoldenResult> result;
    try {
      result = testing::run_golden_case(wanted, options);
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::kMemory) << kib << ": " << error.what();
      continue;
    }
    ++fitting;
    EXPECT_EQ(result->latent, all.latent) << kib;
    EXPECT_TRUE(std::ranges::equal(result->picture.pixels(), all.picture.pixels())) << kib;
  }
  EXPECT_GE(fitting, 2);
}

INSTANTIATE_TEST_SUITE_P(Precisions, CardInAnyMemory,
                         ::testing::Values(Precision::kF32, Precision::kF16),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace semblance
