// Pictures with each sampler: equal to diffusers (tools/oracle/sampler_pictures.py), resumed with
// the same bits, planned with their memory.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/json.h"
#include "face/identity.h"
#include "image/psnr.h"
#include "memory/buffer.h"
#include "memory/file.h"
#include "pipeline/models_test.h"
#include "pipeline/picture_sampler.h"
#include "pipeline/pipeline.h"
#include "sampling/noise.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"
#include "tests/support/sanitized.h"
#include "weights/safetensors.h"
#include "weights/writer.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::golden_path;

Identity face() {
  return read_identity(golden_path("pipeline/fp16_published/no_negative/identity.json"));
}

Request usual() {
  const Json json = Json::load(golden_path("pipeline/fp16_published/no_negative/case.json"));
  Request request;
  request.prompt = json.get_string("prompt");
  request.width = request.height = 64;
  request.steps = 4;
  request.guidance = static_cast<float>(json.get_float("guidance"));
  request.identity_strength = static_cast<float>(json.get_float("identity_strength"));
  request.adapter_strength = static_cast<float>(json.get_float("adapter_strength"));
  request.seed = static_cast<std::uint64_t>(json.get_int("seed"));
  return request;
}

/// Sets the parameters that `settings` names.
void set(Request& request, const nlohmann::json& settings) {
  std::size_t known = 0;
  each_parameter(
      [&](const Parameter& row, auto& member) {
        using T = std::decay_t<decltype(member)>;
        const auto found = settings.find(row.name);
        if (found == settings.end()) return;
        ++known;
        if constexpr (kind_of<T>() == ParameterKind::kChoice) {
          read_text(row, found->get<std::string>(), member);
        } else {
          member = found->get<PlainOf<T>>();
        }
      },
      request);
  ASSERT_EQ(known, settings.size());
}

ModelPaths paths_of(const std::string& checkpoint) {
  return testing::models_in(golden_path("pipeline") / checkpoint / "checkpoint");
}

Pipeline open(const std::string& checkpoint = "fp16_published") {
  return {paths_of(checkpoint), {.precision = Precision::kF32}};
}

Generation start(Pipeline& pipeline, const Request& request) {
  const Identity person = face();
  return pipeline.start(request, person.embedding,
                        scale_keypoints(person, {request.width, request.height}));
}

struct SamplerCase {
  std::string name, checkpoint;
  nlohmann::json settings;
  friend void PrintTo(const SamplerCase& each, std::ostream* out) { *out << each.name; }
};

std::shared_ptr<const File> golden_file() {
  return open_file(golden_path("pipeline/sampler_pictures.safetensors"));
}

std::vector<SamplerCase> cases() {
  std::vector<SamplerCase> all;
  const std::string text = read_safetensors_metadata(*golden_file()).at("cases");
  for (const nlohmann::json& each : nlohmann::json::parse(text))
    all.push_back({each["name"], each["checkpoint"], each["settings"]});
  return all;
}

const StoredTensor* find_golden(const std::string& name) {
  static const WeightMap tensors = read_safetensors(golden_file());
  return tensors.find(name);
}

template <typename T>
std::vector<T> golden(const std::string& name) {
  const StoredTensor* tensor = find_golden(name);
  SEMBLANCE_ASSERT(tensor != nullptr);
  std::vector<T> values(static_cast<std::size_t>(tensor->shape.elements()));
  tensor->file->read(tensor->offset, std::as_writable_bytes(std::span(values)));
  return values;
}

/// The base of a checkpoint in a folder of its own, with one more tensor in the UNet: the
/// projection of the guidance scale, as in distilled LCM models.
class LcmBase {
 public:
  LcmBase(const fs::path& base, const StoredTensor& projection) {
    fs::create_directories(folder_ / "unet");
    for (const auto& part : fs::directory_iterator(base)) {
      if (part.path().filename() != "unet")
        fs::create_symlink(part.path(), folder_ / part.path().filename());
    }
    auto config = nlohmann::json::parse(std::ifstream(base / "unet/config.json"));
    config["time_cond_proj_dim"] = projection.shape[1];
    std::ofstream(folder_ / "unet/config.json") << config;

    const fs::path weights = base / "unet/diffusion_pytorch_model.fp16.safetensors";
    fs::create_symlink(weights, folder_ / "unet/plain.safetensors");
    std::vector<std::byte> bytes(projection.bytes());
    projection.file->read(projection.offset, bytes);
    const std::string name = "time_embedding.cond_proj.weight";
    write_safetensors(folder_ / "unet/projection.safetensors",
                      {{{name, DType::kF16, projection.shape}, bytes}});
    nlohmann::json map{{name, "projection.safetensors"}};
    for (const auto& [tensor, stored] : read_safetensors(open_file(weights)))
      map[tensor] = "plain.safetensors";
    std::ofstream(folder_ / "unet/diffusion_pytorch_model.safetensors.index.json")
        << nlohmann::json{{"weight_map", map}};
  }
  ~LcmBase() { fs::remove_all(folder_); }
  LcmBase(const LcmBase&) = delete;
  LcmBase& operator=(const LcmBase&) = delete;
  const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_ = fs::temp_directory_path() / ("semblance_lcm_" + std::to_string(getpid()));
};

class SamplerPicture : public ::testing::TestWithParam<SamplerCase> {};

TEST_P(SamplerPicture, AgreesWithDiffusers) {
  const SamplerCase& each = GetParam();
  Request request = usual();
  set(request, each.settings);
  ModelPaths paths = paths_of(each.checkpoint);
  std::optional<LcmBase> lcm;
  if (const StoredTensor* const projection = find_golden(each.name + ".cond_proj")) {
    lcm.emplace(paths.base, *projection);
    paths.base = lcm->folder();
  }
  Pipeline pipeline(paths, {.precision = Precision::kF32});
  Generation generation = start(pipeline, request);
  while (generation.next()) continue;
  testing::expect_close(generation.latent(), golden<float>(each.name + ".latent"), {1e-4, 2e-3});
  const double agreement =
      psnr(generation.decode().pixels(), golden<std::uint8_t>(each.name + ".picture"));
  EXPECT_GE(agreement, 50);
  RecordProperty("psnr", std::to_string(agreement));
}

INSTANTIATE_TEST_SUITE_P(Golden, SamplerPicture, ::testing::ValuesIn(cases()),
                         [](const auto& each) { return each.param.name; });

/// So that each picture tests its sampler: their distances are far above the tolerance.
TEST(SamplerPictures, AreDifferent) {
  const std::vector<SamplerCase> all = cases();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto latent = golden<float>(all[i].name + ".latent");
    for (std::size_t j = 0; j < i; ++j) {
      const auto other = golden<float>(all[j].name + ".latent");
      float largest = 0;
      for (std::size_t k = 0; k < latent.size(); ++k)
        largest = std::max(largest, std::abs(latent[k] - other[k]));
      EXPECT_GT(largest, 0.3) << all[i].name << " and " << all[j].name;
    }
  }
}

TEST(SamplerPictures, ThereIsOneOfEachSampler) {
  std::set<std::string> names;
  for (const SamplerCase& each : cases()) names.insert(each.name);
  for (const SamplerRow& row : samplers()) EXPECT_TRUE(names.contains(std::string(row.name)));
}

/// Every sampler; two that draw noise with the noise of every source.
std::vector<Request> requests() {
  std::vector<Request> all;
  for (const SamplerRow& row : samplers()) {
    Request request = usual();
    request.scheduler = Choice(std::string(row.name));
    request.identity_end = 0.7;  // so that two denoisers run
    if (row.has(kTakesEta)) request.eta = 0.5;
    all.push_back(request);
    if (testing::kSanitized || (row.name != "euler_a" && row.name != "dpmpp_2m_sde")) continue;
    for (const ChoiceName& noise : choices::all_noises()) {
      request.noise = Choice(std::string(noise.name));
      request.noise_picture = 1;
      request.noise_batch = 3;
      all.push_back(request);
    }
  }
  return all;
}

/// Cut at the beginning, in the middle and before the last evaluation; steps_test.cpp cuts
/// everywhere.
TEST(Samplers, ResumeWithTheSameBits) {
  const fs::path file =
      fs::temp_directory_path() / ("semblance_samplers_" + std::to_string(getpid()));
  Pipeline pipeline = open();
  for (const Request& request : requests()) {
    SCOPED_TRACE(request.scheduler->name + " " + request.noise.name);
    Generation whole = start(pipeline, request);
    std::vector<SavedRun> runs{whole.saved()};
    while (whole.next()) {
      runs.push_back(whole.saved());
      EXPECT_TRUE(std::ranges::all_of(whole.predicted(), [](float x) { return std::isfinite(x); }));
    }
    EXPECT_EQ(whole.predicted(), whole.latent());
    ASSERT_EQ(static_cast<int>(runs.size()), whole.steps() + 1);
    for (const std::size_t cut : {std::size_t{1}, runs.size() / 2, runs.size() - 2}) {
      const SavedRun& run = runs[cut];
      save(run, file);
      Generation resumed = pipeline.resume(load_saved_run(file));
      EXPECT_EQ(resumed.step(), run.step);
      while (resumed.next()) continue;
      EXPECT_EQ(resumed.latent(), whole.latent()) << "cut after " << run.step;
    }
  }
  fs::remove(file);
}

TEST(Samplers, RefuseStateThatIsNotTheirs) {
  Pipeline pipeline = open();
  Request request = usual();
  request.scheduler = Choice("dpmpp_2m");
  Generation generation = start(pipeline, request);
  generation.next();
  SavedRun run = generation.saved();
  EXPECT_EQ(run.kept.size(), run.latent.size());
  run.kept.pop_back();
  expect_error(ErrorKind::kCorrupt, "its sampler's state has 255 numbers, expected 256",
               [&] { pipeline.resume(run); });
  run = generation.saved();
  run.request.scheduler = Choice("euler");
  expect_error(ErrorKind::kCorrupt, "its sampler's state has 256 numbers, expected 0",
               [&] { pipeline.resume(run); });
}

struct Held {
  std::int64_t planned = 0;
  std::int64_t counted = 0;
};

/// Of the values in a step: what the plan says, and what there is.
Held held(Pipeline& pipeline, const Request& request) {
  Held held;
  const PlannedPicture planned = pipeline.plan({.request = request});
  for (const StagePlan& stage : planned.plan.stages) {
    if (stage.id == StageId::kDenoiser)
      held.planned = static_cast<std::int64_t>(stage.values_bytes);
  }
  const std::uint64_t before = count_of(Tag::kResult).bytes;
  Generation generation = start(pipeline, request);
  generation.next();
  held.counted = static_cast<std::int64_t>(count_of(Tag::kResult).bytes - before);
  return held;
}

TEST(Samplers, ThePlanCoversTheirState) {
  Pipeline pipeline = open();
  Request request = usual();
  request.scheduler = Choice("euler");
  const Held without = held(pipeline, request);
  constexpr std::int64_t kLatentBytes = 4 * 8 * 8 * 4;
  const std::vector<std::pair<std::string, int>> latents{
      {"dpmpp_2m", 1}, {"unipc", 3},        {"pndm", 3},
      {"euler_a", 1},  {"dpmpp_2m_sde", 2}, {"dpmpp_sde", 5}};  // 1 kept, 1 drawn, 3 of the tree
  for (const auto& [name, count] : latents) {
    request.scheduler = Choice(name);
    const Held with = held(pipeline, request);
    EXPECT_EQ(with.planned - without.planned, count * kLatentBytes) << name;
    EXPECT_EQ(with.counted - without.counted, count * kLatentBytes) << name;
  }
}

TEST(Samplers, StepsAreEvaluations) {
  Pipeline pipeline = open();
  Request request = usual();
  for (const auto& [name, count] : std::vector<std::pair<std::string, int>>{
           {"euler", 4}, {"heun", 7}, {"pndm", 5}, {"dpmpp_sde", 7}}) {
    request.scheduler = Choice(name);
    EXPECT_EQ(start(pipeline, request).steps(), count) << name;
    int runs = 0;
    for (const StagePlan& stage : pipeline.plan({.request = request}).plan.stages)
      runs += stage.id == StageId::kDenoiser ? stage.runs : 0;
    EXPECT_EQ(runs, count) << name;
  }
}

TEST(Samplers, CombineOnlyWithWhatTheySupport) {
  Pipeline pipeline = open();
  Request request = usual();
  request.scheduler = Choice("ddim");
  request.sigmas = Choice("karras");
  const std::string text = "cannot use DDIM: it has no noise level curves, got karras";
  expect_error(ErrorKind::kArgument, text, [&] { start(pipeline, request); });
  expect_error(ErrorKind::kArgument, text, [&] { pipeline.plan({.request = request}); });
  request.sigmas = Choice("zigzag");
  expect_error(ErrorKind::kArgument, "cannot take sigmas: expected one of default, karras, ",
               [&] { start(pipeline, request); });
}

TEST(NthPicture, HasTheNextSeedOrIsPartOfABatch) {
  Request first = usual();
  first.seed = 7;
  for (const char* noise : {"cpu", "cuda:t4", "a1111-cpu", "a1111-gpu"}) {
    first.noise = Choice(noise);
    const Request third = nth_picture(first, 2, 4);
    EXPECT_EQ(third.seed, 9U);
    EXPECT_FALSE(third.noise_batch);
    EXPECT_FALSE(is_same_picture(first, third));
  }
  first.noise = Choice("comfy");
  const Request third = nth_picture(first, 2, 4);
  EXPECT_EQ(third.seed, 7U);
  EXPECT_EQ(third.noise_picture, 2);
  EXPECT_EQ(third.noise_batch, 4);
  EXPECT_FALSE(is_same_picture(first, third));
  // A resumed run counts on from the picture that was in progress.
  const Request fourth = nth_picture(third, 1, 2);
  EXPECT_EQ(fourth.noise_picture, 3);
  EXPECT_EQ(fourth.noise_batch, 4);

  Pipeline pipeline = open();
  std::vector<float> drawn(256);
  NoiseGenerator(7).randn(drawn, 2 * drawn.size(), 4 * drawn.size());
  const float scale = make_picture_sampler(third, pipeline.scheduler()).sampler->init_noise_sigma();
  for (float& value : drawn) value *= scale;
  EXPECT_EQ(start(pipeline, third).latent(), drawn);
}

}  // namespace
}  // namespace semblance
