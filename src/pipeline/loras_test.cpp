#include "pipeline/loras.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <limits>

#include "core/integers.h"
#include "core/json.h"
#include "core/parallel.h"
#include "memory/file.h"
#include "pipeline/models_test.h"
#include "pipeline/pipeline.h"
#include "runtime/row_patcher.h"
#include "tests/support/errors.h"
#include "weights/lora_test.h"
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

const fs::path kKohya = golden_path("pipeline/fp16_published/lora_kohya/style.safetensors");
const ModelPaths kModels = testing::models_in(golden_path("pipeline/fp16_published/checkpoint"));

Request request_with(const std::vector<std::string>& loras) {
  Request request;
  request.prompt = "a man";
  request.width = request.height = 64;
  request.steps = 2;
  request.loras = loras;
  return request;
}

/// A LoRA file of the tests of weights/ in a folder of its own.
class LoraInFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("semblance_lora_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  void put(const std::string& name, const testing::MadeLora& lora) const {
    const auto file = lora.file();
    std::vector<std::byte> bytes(file->size());
    file->read(0, bytes);
    OutputFile out(folder_ / name);
    out.write(bytes);
    out.commit();
  }
  PipelineOptions options() const {
    return {.precision = Precision::kF32, .lora_folders = {folder_}};
  }
  static testing::MadeLora lora(float value = 0.5F) {
    testing::MadeLora made;
    return made.add("lora_unet_conv_in.lora_up.weight", {32, 2, 1, 1}, value)
        .add("lora_unet_conv_in.lora_down.weight", {2, 4, 3, 3});
  }
  fs::path folder_;
};

TEST_F(LoraInFolder, IsWarnedOfWhatTheModelDoesNotHave) {
  put("film.safetensors",
      lora().add_pair("lora_unet_other", 8, 8).add_pair("lora_unet_more", 8, 8));
  const Pipeline pipeline(kModels, options());
  EXPECT_TRUE(pipeline.warnings(request_with({})).empty());
  const std::vector<Warning> warnings = pipeline.warnings(request_with({"film:0.5"}));
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(text_of(warnings[0], Language::kEnglish),
            "the model does not have 2 layers of the LoRA film: lora_unet_more, lora_unet_other");
  EXPECT_EQ(text_of(warnings[0], Language::kSpanish),
            "el modelo no tiene 2 capas de la LoRA film: lora_unet_more, lora_unet_other");
  EXPECT_EQ(warning_kind(code_of(warnings[0].kind)), Warning::Kind::kLoraLayers);
}

TEST_F(LoraInFolder, IsCheckedBeforeThePictureOnly) {
  put("film.safetensors", lora(std::numeric_limits<float>::quiet_NaN()));
  Pipeline pipeline(kModels, options());
  EXPECT_TRUE(pipeline.plan({.request = request_with({"film"})}).plan.fits);
  const std::vector<float> embedding(512, 0.1F);
  const Keypoints points{{{20, 20}, {40, 20}, {30, 30}, {22, 40}, {38, 40}}};
  testing::expect_error(ErrorKind::kCorrupt,
                        "a factor of lora_unet_conv_in has a number that is not finite",
                        [&] { pipeline.start(request_with({"film"}), embedding, points); });
  testing::expect_error(ErrorKind::kMissing, "cannot find the LoRA fim",
                        [&] { pipeline.plan({.request = request_with({"fim"})}); });
  // A file that is replaced is another LoRA.
  put("film.safetensors", lora());
  fs::last_write_time(folder_ / "film.safetensors",
                      fs::file_time_type::clock::now() + std::chrono::hours(1));
  pipeline.start(request_with({"film"}), embedding, points);
}

TEST_F(LoraInFolder, IsKeptForTheNextPicture) {
  put("film.safetensors", lora());
  const OpenedModels models = open_models(kModels);
  LoraShelf shelf({folder_});
  EXPECT_EQ(shelf.get(models, {}, true), nullptr);
  const auto planned = shelf.get(models, {"film"}, false);
  EXPECT_FALSE(planned->is_prepared);
  EXPECT_EQ(shelf.get(models, {"film"}, false), planned);
  const auto first = shelf.get(models, {"film"}, true);
  EXPECT_TRUE(first->is_prepared);
  EXPECT_EQ(shelf.get(models, {"film"}, true), first);
  EXPECT_EQ(shelf.get(models, {"film"}, false), first);
  EXPECT_NE(shelf.get(models, {"film:2"}, true), first);
  std::stop_source stop;
  stop.request_stop();
  testing::expect_error(ErrorKind::kCancelled, "cancelled", [&] {
    shelf.get(models, {"film", "film"}, true, stop.get_token());
  });
}

TEST_F(LoraInFolder, TwiceAddsUp) {
  put("film.safetensors", lora());
  const OpenedModels models = open_models(kModels);
  const std::vector<std::string> choices{"film:0.5", "film:-1"};
  const AppliedLoras loras = open_loras(models, choices, std::vector{folder_});
  EXPECT_EQ(loras.patches[0].at("unet.conv_in.weight").size(), 2U);
  EXPECT_TRUE(loras.fingerprints.contains("the LoRA film"));
  EXPECT_TRUE(loras.fingerprints.contains("the LoRA film (2)"));
  EXPECT_EQ(loras.paths[1], (folder_ / "film.safetensors").string() + ":-1");
  const StoredTensor& conv = *models.denoiser_weights.find("unet.conv_in.weight");
  const std::vector<float> plain = merged(conv, {});
  const std::vector<float> both = merged(conv, loras.patches[0].at("unet.conv_in.weight"));
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(both[i], plain[i] - 0.25F, 1e-6);
}

/// The factors are read like weights, and are part of the plan.
TEST(LoraPlan, CountsTheFactors) {
  const Pipeline pipeline(kModels, {.precision = Precision::kF32});
  const auto plan_of = [&](const Request& request, std::uint64_t places) {
    PipelineOptions tight{.precision = Precision::kF32};
    tight.workspace.places_bytes = places;
    const Pipeline other(kModels, tight);
    const RequestPlan plan = other.plan({.request = request}).plan;
    EXPECT_TRUE(plan.fits);
    for (const StagePlan& stage : plan.stages) {
      if (stage.id == StageId::kDenoiser) return stage;
    }
    return StagePlan();
  };
  const OpenedModels models = open_models(kModels);
  const std::vector<std::string> choices{kKohya.string()};
  const AppliedLoras loras = open_loras(models, choices, {});
  std::uint64_t factors = 0;
  for (const auto& [name, patches] : loras.patches[0]) {
    for (const WeightPatch& patch : patches) {
      for (const StoredTensor* tensor : patch.tensors()) factors += tensor->bytes();
    }
  }
  constexpr std::uint64_t kTight = std::uint64_t{4200} << 10;
  const StagePlan plain = plan_of(request_with({}), kTight);
  const StagePlan with = plan_of(request_with(choices), kTight);
  EXPECT_GE(with.streamed_bytes, plain.streamed_bytes + factors);
  EXPECT_LT(with.streamed_bytes, plain.streamed_bytes + 3 * factors);
  EXPECT_GT(with.reading_bytes, plain.reading_bytes);
  EXPECT_GT(with.run_seconds, plain.run_seconds);
}

TEST(AssumedLoras, AreMatchedWithThePublishedModel) {
  const AssumedModels assumed = assume_models({});
  testing::MadeLora made;
  made.add_pair("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 640, 2048);
  made.add_pair("lora_te1_text_model_encoder_layers_10_mlp_fc2", 768, 3072);
  made.add_pair("lora_te2_text_projection", 1280, 1280);
  const fs::path file =
      fs::temp_directory_path() / ("semblance_assumed_" + std::to_string(getpid()));
  {
    const auto bytes_of = made.file();
    std::vector<std::byte> bytes(bytes_of->size());
    bytes_of->read(0, bytes);
    OutputFile out(file);
    out.write(bytes);
    out.commit();
  }
  const std::vector<std::string> choices{file.string()};
  const AppliedLoras loras = open_loras(assumed.models, choices, {});
  fs::remove(file);
  EXPECT_TRUE(loras.unmatched.empty());
  EXPECT_EQ(loras.patches[0].begin()->first,
            "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight");
  EXPECT_EQ(loras.patches[1].size(), 1U);
  EXPECT_EQ(loras.patches[2].size(), 1U);
}

}  // namespace
}  // namespace semblance
