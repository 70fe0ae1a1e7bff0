#include "pipeline/loras.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/integers.h"
#include "core/json.h"
#include "core/parallel.h"
#include "pipeline/models_test.h"
#include "runtime/row_patcher.h"
#include "tests/support/errors.h"
#include "weights/safetensors.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

using testing::golden_path;

constexpr std::array<std::string_view, kLoraParts> kParts{
    "unet:", "text_encoder:", "text_encoder_2:"};

std::vector<fs::path> folders_with_loras() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::recursive_directory_iterator(golden_path("pipeline"))) {
    if (entry.path().filename() == "merged.safetensors")
      folders.push_back(entry.path().parent_path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::vector<std::string> loras_of(const fs::path& folder) {
  std::vector<std::string> loras;
  for (const std::string& lora : Json::load(folder / "case.json").get_string_list("loras"))
    loras.push_back((folder / lora).string());
  return loras;
}

/// The whole tensor with its patches.
std::vector<float> merged(const StoredTensor& tensor, std::span<const WeightPatch> patches) {
  std::vector<float> values(at(tensor.shape.elements()));
  std::vector<std::byte> raw(tensor.bytes());
  read_rows(tensor, 0, tensor.rows(), raw, values);
  const RowPatcher patcher(patches, tensor.shape, {});
  std::vector<std::byte> factors(patcher.factor_bytes()), shared(patcher.shared_bytes()),
      scratch(RowPatcher::kScratchBytes * at(threads()));
  patcher.read_factors(factors);
  patcher.expand(factors, shared, scratch);
  patcher.apply(0, tensor.rows(), factors, shared, scratch, values);
  return values;
}

class MergedWeights : public ::testing::TestWithParam<fs::path> {};

/// tools/oracle/lora.py, which has them from diffusers and peft or from the kinds' own formulas.
TEST_P(MergedWeights, AreThoseOfTheGolden) {
  const OpenedModels models =
      open_models(testing::models_in(GetParam().parent_path() / "checkpoint"));
  const std::vector<std::string> choices = loras_of(GetParam());
  AppliedLoras loras = open_loras(models, choices, {});
  prepare(loras, models, {});
  EXPECT_TRUE(loras.unmatched.empty());
  const WeightMap want = read_safetensors(open_file(GetParam() / "merged.safetensors"));
  std::size_t compared = 0;
  for (std::size_t part = 0; part < kLoraParts; ++part) {
    const WeightMap& weights = part == 0 ? models.denoiser_weights : models.clip_weights[part - 1];
    for (const auto& [name, patches] : loras.patches[part]) {
      SCOPED_TRACE(name);
      const std::string golden_name =
          std::string(kParts[part]) + (part == 0 ? name.substr(std::string("unet.").size()) : name);
      const StoredTensor* const golden = want.find(golden_name);
      ASSERT_NE(golden, nullptr);
      std::vector<float> places(at(golden->rows()));
      read_rows(*golden, 0, golden->rows(), {}, places);
      const std::vector<float> all = merged(*weights.find(name), patches);
      std::vector<float> got;
      for (std::size_t i = 0; i < places.size(); ++i) {
        const double place = static_cast<double>(i) * (static_cast<double>(all.size()) - 1) /
                             (static_cast<double>(places.size()) - 1);
        got.push_back(all[static_cast<std::size_t>(place)]);
      }
      testing::expect_close(got, places, {1e-6, 1e-5});
      ++compared;
    }
  }
  EXPECT_EQ(compared, want.size());
}

INSTANTIATE_TEST_SUITE_P(Goldens, MergedWeights, ::testing::ValuesIn(folders_with_loras()),
                         [](const auto& info) {
                           return info.param.parent_path().filename().string() + "_" +
                                  info.param.filename().string();
                         });

}  // namespace
}  // namespace semblance
