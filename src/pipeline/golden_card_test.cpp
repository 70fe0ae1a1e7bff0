// Pictures of small checkpoints that a card computes, compared with the published InstantID
// pipeline.
#include "backend/vulkan/card_backend_test.h"
#include "pipeline/golden_case_test.h"
#include "pipeline/precision.h"
#include "tests/support/npy.h"

namespace semblance {
namespace {

/// The card as if it could do less, and had memory of its own.
class LesserCard : public Backend {
 public:
  LesserCard(std::string_view name, VulkanFacts facts)
      : name_(name),
        device_(std::move(facts), {.pipeline_folder = {}, .maps_shared_memory = false}) {
    add_backend(*this);
  }
  std::string_view name() const override { return name_; }
  const Device& device() const override { return device_; }
  std::optional<DType> half() const override { return backend_->half(); }
  std::span<const KernelEntry> kernels() const override { return backend_->kernels(); }

 private:
  std::string_view name_;
  VulkanDevice device_;
  std::unique_ptr<const Backend> backend_ = vulkan_backend(device_);
};

const Backend& full_card() { return testing::card_backend(); }
const Backend& card_without_matrices() {
  static const Backend& card = [&]() -> const Backend& {
    VulkanFacts facts = testing::card_device().facts();
    facts.matrices.clear();
    return testing::kShared->keep(std::make_unique<LesserCard>("card without matrices", facts));
  }();
  return card;
}
const Backend& card_without_f16() {
  static const Backend& card = [&]() -> const Backend& {
    VulkanFacts facts = testing::card_device().facts();
    facts.matrices.clear();
    facts.has_f16 = facts.has_16_bit_storage = false;
    return testing::kShared->keep(std::make_unique<LesserCard>("card without f16", facts));
  }();
  return card;
}

struct OnCard {
  const char* name;
  const char* folder;
  const Backend& (*card)();
  Precision asked, used;
};

class PublishedPipelineOnCard : public ::testing::TestWithParam<OnCard> {
 protected:
  void SetUp() override { testing::skip_without_card(); }
};

TEST_P(PublishedPipelineOnCard, Agrees) {
  const OnCard& c = GetParam();
  EXPECT_EQ(usable_precision(c.asked, c.card()), c.used);
  const std::filesystem::path folder = testing::golden_path(std::string("pipeline/") + c.folder);
  const testing::GoldenResult result =
      testing::run_golden_case(testing::load_golden_case(folder),
                               {.precision = c.asked, .backend = std::string(c.card().name())});
  const bool exact = c.used == Precision::kF32;
  testing::expect_close(result.latent, testing::read_npy<float>(folder / "latents.npy").values,
                        {1e-6, exact ? 1e-3 : 1e-2});
  const double agreement = testing::psnr_to_golden(result.picture, folder);
  EXPECT_GE(agreement, exact ? 50 : 40);
  RecordProperty("psnr", std::to_string(agreement));
}

// all_extras has FreeU and perturbed attention.
constexpr OnCard kCases[] = {
    {"f32", "fp16_published/plain", full_card, Precision::kF32, Precision::kF32},
    {"plain", "fp16_published/plain", full_card, Precision::kAuto, Precision::kF16},
    {"all_extras", "fp16_published/all_extras", full_card, Precision::kAuto, Precision::kF16},
    {"convolutions", "fp32_convolutions/plain", full_card, Precision::kAuto, Precision::kF16},
    {"shards", "bf16_shards/plain", full_card, Precision::kAuto, Precision::kF16},
    {"without_matrices", "fp16_published/all_extras", card_without_matrices, Precision::kAuto,
     Precision::kF16},
    {"without_f16", "fp16_published/all_extras", card_without_f16, Precision::kAuto,
     Precision::kF32},
};
INSTANTIATE_TEST_SUITE_P(Goldens, PublishedPipelineOnCard, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(PipelineOnCard, GivesTheSameBitsInAnyMemory) {
  testing::skip_without_card();
  if (::testing::Test::IsSkipped()) return;
  const testing::GoldenCase wanted =
      testing::load_golden_case(testing::golden_path("pipeline/fp16_published/plain"));
  const PipelineOptions options{.precision = Precision::kF16,
                                .backend = std::string(testing::card_backend().name())};
  EXPECT_GE(testing::fits_with_the_same_bits(wanted, options, {600, 4200, 8000}), 2);
}

}  // namespace
}  // namespace semblance
