// Pictures of small checkpoints that a card computes, compared with the published InstantID
// pipeline.
#include "backend/vulkan/card_backend_test.h"
#include "pipeline/golden_case_test.h"
#include "tests/support/npy.h"

namespace semblance {
namespace {

struct OnCard {
  const char* folder;
  Precision precision;
};

class PublishedPipelineOnCard : public ::testing::TestWithParam<OnCard> {
 protected:
  void SetUp() override { testing::skip_without_card(); }
};

TEST_P(PublishedPipelineOnCard, Agrees) {
  const auto [name, precision] = GetParam();
  const std::filesystem::path folder = testing::golden_path(std::string("pipeline/") + name);
  const testing::GoldenResult result = testing::run_golden_case(
      testing::load_golden_case(folder),
      {.precision = precision, .backend = std::string(testing::card_backend().name())});
  const bool exact = precision == Precision::kF32;
  testing::expect_close(result.latent, testing::read_npy<float>(folder / "latents.npy").values,
                        {1e-6, exact ? 1e-3 : 1e-2});
  const double agreement = testing::psnr_to_golden(result.picture, folder);
  EXPECT_GE(agreement, exact ? 50 : 40);
  RecordProperty("psnr", std::to_string(agreement));
}

// A card computes in f16 if nothing else is asked for. FreeU and perturbed attention are in
// all_extras.
INSTANTIATE_TEST_SUITE_P(Goldens, PublishedPipelineOnCard,
                         ::testing::Values(OnCard{"fp16_published/plain", Precision::kF32},
                                           OnCard{"fp16_published/plain", Precision::kAuto},
                                           OnCard{"fp16_published/all_extras", Precision::kAuto},
                                           OnCard{"fp32_convolutions/plain", Precision::kAuto},
                                           OnCard{"bf16_shards/plain", Precision::kAuto}),
                         [](const auto& info) {
                           std::string name = info.param.folder;
                           std::ranges::replace(name, '/', '_');
                           return name + (info.param.precision == Precision::kF32 ? "_f32" : "");
                         });

TEST(PipelineOnCard, GivesTheSameBitsInAnyMemory) {
  testing::skip_without_card();
  if (::testing::Test::IsSkipped()) return;
  const testing::GoldenCase wanted =
      testing::load_golden_case(testing::golden_path("pipeline/fp16_published/plain"));
  PipelineOptions options{.precision = Precision::kF16,
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

}  // namespace
}  // namespace semblance
