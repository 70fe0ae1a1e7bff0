#include "pipeline/assembled_model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "pipeline/models_test.h"
#include "pipeline/opened_models.h"
#include "pipeline/pipeline.h"
#include "tests/support/errors.h"
#include "tests/support/sanitized.h"
#include "tests/support/single_file_model.h"
#include "weights/writer.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::error_of;
using testing::SingleFileModel;

/// Both forms of the small model.
class AssembledModelTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / ("semblance_assembled_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    model_.emplace(folder_);
  }
  static void TearDownTestSuite() {
    model_.reset();
    fs::remove_all(folder_);
  }

  static ModelPaths single() { return model_->paths(model_->file()); }
  static ModelPaths folder() { return model_->paths(model_->base()); }
  static std::string opening(const ModelPaths& paths) {
    return error_of([&] { open_models(paths); });
  }

  static Request request() {
    return {.prompt = "wow! a caf\u00e9 in the snow",
            .negative = "blurry",
            .width = 64,
            .height = 64,
            .steps = 1};
  }
  static std::vector<float> latent_of(const ModelPaths& paths,
                                      std::optional<std::uint64_t> budget_bytes = {}) {
    PipelineOptions options{.precision = Precision::kF32};
    options.workspace.budget_bytes = budget_bytes;
    Pipeline pipeline(paths, options);
    std::vector<float> embedding(512);
    for (std::size_t i = 0; i < embedding.size(); ++i) embedding[i] = static_cast<float>(i % 7) - 3;
    const Keypoints keypoints{{{20, 24}, {44, 24}, {32, 34}, {22, 44}, {42, 44}}};
    Generation generation = pipeline.start(request(), embedding, keypoints);
    while (generation.next()) {
    }
    return generation.latent();
  }

  static inline fs::path folder_;
  static inline std::optional<SingleFileModel> model_;
};

TEST_F(AssembledModelTest, OneFileIsTheSameModelAsTheFolder) {
  const std::vector<float> want = latent_of(folder());
  EXPECT_EQ(latent_of(single()), want);
  ModelPaths other = single();
  other.unet = SingleFileModel::golden_file("tiny_city96.gguf");
  EXPECT_NE(latent_of(other), want);
}

TEST_F(AssembledModelTest, PartsMayComeFromFilesAndFolders) {
  const std::vector<float> want = latent_of(folder());
  const fs::path unet = model_->some_of_file("unet.safetensors", {"model.diffusion_model."});
  const fs::path vae = model_->some_of_file("vae.safetensors", {"first_stage_model."});
  const fs::path text = model_->some_of_file("text.safetensors", {"conditioner."});
  const fs::path encoders = folder_ / "encoders";
  fs::create_directories(encoders);
  fs::rename(model_->some_of_file("l.safetensors", {"conditioner.embedders.0."}),
             encoders / "clip_l.safetensors");
  fs::rename(model_->some_of_file("g.safetensors", {"conditioner.embedders.1."}),
             encoders / "clip_g.safetensors");

  ModelPaths paths = model_->paths(unet);
  EXPECT_EQ(opening(paths), "missing: cannot use --base " + unet.string() +
                                ": it is an SDXL UNet and has no VAE and no text encoders\n  give "
                                "--vae FILE|DIR|NAME and --text-encoders DIR|FILE");
  paths.vae = vae;
  EXPECT_EQ(opening(paths), "missing: cannot use --base " + unet.string() +
                                ": it is an SDXL UNet and has no text encoders\n  give "
                                "--text-encoders DIR|FILE");
  paths.text_encoders = encoders / "clip_l.safetensors";
  EXPECT_NE(opening(paths).find("it is an SDXL UNet and has no second text encoder"),
            std::string::npos)
      << opening(paths);
  for (const fs::path& given : {text, model_->file(), model_->base()}) {
    paths.text_encoders = given;
    EXPECT_EQ(opening(paths), "no error") << given;
  }
  paths.text_encoders = encoders;
  EXPECT_EQ(latent_of(paths), want);
  for (const fs::path& given : {model_->base(), model_->base() / "vae", model_->file()}) {
    paths.vae = given;
    EXPECT_EQ(opening(paths), "no error") << given;
  }
  paths = folder();
  paths.unet = unet;
  paths.text_encoders = text;
  paths.vae = vae;
  EXPECT_EQ(latent_of(paths), want);

  // A second file with the same encoder.
  fs::copy(encoders / "clip_l.safetensors", encoders / "other.safetensors");
  paths.text_encoders = encoders;
  EXPECT_EQ(opening(paths),
            "argument: cannot choose the first text encoder in --text-encoders " +
                encoders.string() +
                ": clip_l.safetensors and other.safetensors have one\n  give one file with both, "
                "or a folder with one file for each");
}

TEST_F(AssembledModelTest, TheBitsDoNotDependOnTheBudget) {
  if (testing::kSanitized) GTEST_SKIP() << "the sanitizer uses more memory than the plan";
  for (const char* name : {"tiny_city96.gguf", "tiny_q8_0.gguf", "tiny.safetensors"}) {
    ModelPaths paths = folder();
    paths.unet = SingleFileModel::golden_file(name);
    const Pipeline pipeline(paths, {.precision = Precision::kF32});
    const PlanQuestion question{
        .request = request(), .format = ImageFormat::kPng, .minimum = Wanted::kAlways};
    const std::uint64_t least = pipeline.plan(question).minimum_bytes + (std::uint64_t{4} << 20U);
    EXPECT_EQ(latent_of(paths, least), latent_of(paths)) << name;
  }
}

TEST_F(AssembledModelTest, TakesWhatNoTensorDeterminesFromTheFolder) {
  const fs::path base = folder_ / "edited";
  fs::copy(model_->base(), base, fs::copy_options::recursive);
  std::ifstream in(base / "unet/config.json");
  nlohmann::json config = nlohmann::json::parse(in);
  config["attention_head_dim"] = {2, 2, 4};
  config["sample_size"] = 24;
  std::ofstream(base / "unet/config.json") << config.dump();
  ModelPaths paths = model_->paths(base);
  const OpenedModels want = open_models(paths);
  paths.unet = SingleFileModel::golden_file();
  const OpenedModels got = open_models(paths);
  EXPECT_EQ(got.unet.heads, want.unet.heads);
  EXPECT_EQ(got.unet.heads, (std::vector<std::int64_t>{2, 2, 4}));
  EXPECT_EQ(got.unet.sample_size, 24);
  EXPECT_EQ(open_models(single()).unet.heads, (std::vector<std::int64_t>{1, 1, 1}));
}

TEST_F(AssembledModelTest, SaysWhatAUNetPredicts) {
  const auto with_marks = [&](const std::string& name, const Metadata& metadata,
                              const std::vector<std::string>& marks) {
    const WeightFile unet = open_weight_file(SingleFileModel::golden_file("tiny_city96.gguf"));
    std::vector<TensorBytes> tensors;
    std::vector<std::vector<std::byte>> bytes;
    bytes.reserve(unet.weights.size());
    for (const auto& [tensor_name, tensor] : unet.weights) {
      std::vector<std::byte> raw(tensor.rows_bytes(tensor.rows()));
      std::vector<float> values(static_cast<std::size_t>(tensor.shape.elements()));
      read_rows(tensor, 0, tensor.rows(), raw, values);
      const auto span = std::as_bytes(std::span(values));
      bytes.emplace_back(span.begin(), span.end());
      tensors.push_back({{tensor_name, DType::kF32, tensor.shape}, bytes.back()});
    }
    for (const std::string& mark : marks) tensors.push_back({{mark, DType::kF32, {0}}, {}});
    SafetensorsMetadata texts;
    for (const auto& [key, text] : metadata) texts[key] = text;
    write_safetensors(folder_ / name, tensors, texts);
    return folder_ / name;
  };
  ModelPaths paths = folder();
  EXPECT_EQ(open_models(paths).scheduler.prediction, Prediction::kEpsilon);
  paths.unet = with_marks("v.safetensors", {{"modelspec.prediction_type", "v"}}, {});
  SchedulerConfig scheduler = open_models(paths).scheduler;
  EXPECT_EQ(scheduler.prediction, Prediction::kV);
  EXPECT_FALSE(scheduler.rescale_betas_zero_snr);
  EXPECT_EQ(scheduler.spacing, Spacing::kLeading);
  paths.unet = with_marks("zero.safetensors", {}, {"v_pred", "ztsnr"});
  for (const fs::path& base : {model_->base(), model_->file()}) {
    paths.base = base;
    scheduler = open_models(paths).scheduler;
    EXPECT_EQ(scheduler.prediction, Prediction::kV);
    EXPECT_TRUE(scheduler.rescale_betas_zero_snr);
    EXPECT_EQ(scheduler.spacing, Spacing::kTrailing);
  }
}

/// Writes zeros as a file with these tensors.
fs::path made_file(const fs::path& path, const std::map<std::string, Shape>& shapes) {
  std::vector<std::vector<std::byte>> bytes;
  bytes.reserve(shapes.size());
  std::vector<TensorBytes> tensors;
  for (const auto& [name, shape] : shapes) {
    bytes.emplace_back(static_cast<std::size_t>(shape.elements()));
    tensors.push_back({{name, DType::kF8E4M3, shape}, bytes.back()});
  }
  write_safetensors(path, tensors);
  return path;
}

TEST_F(AssembledModelTest, SaysWhatAWrongFileIsAndWhichFlagTakesIt) {
  const Shape any{1};
  struct Case {
    std::string name;
    std::map<std::string, Shape> tensors;
    std::string says;
  };
  const std::string unet = "model.diffusion_model.";
  const auto unet_of = [&](std::int64_t in, std::int64_t text, std::int64_t width,
                           std::int64_t added) {
    std::map<std::string, Shape> tensors{
        {unet + "out.2.weight", any},
        {unet + "input_blocks.0.0.weight", {width, in, 3, 3}},
        {unet + "middle_block.1.norm.weight", any},
        {unet + "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", {1, text}},
        {"first_stage_model.decoder.conv_in.weight", any}};
    if (added > 0) tensors[unet + "label_emb.0.0.weight"] = Shape{1, added};
    return tensors;
  };
  const Case cases[] = {
      {"lora",
       {{"lora_te2_x.lora_down.weight", any}},
       "it is a LoRA of SDXL\n  --lora takes it, if it is one for SDXL"},
      {"vae", {{"decoder.conv_in.weight", any}}, "it is a VAE\n  --vae takes it"},
      {"text",
       {{"conditioner.embedders.1.model.ln_final.bias", any}},
       "it is SDXL's second text encoder\n  --text-encoders takes it"},
      {"controlnet",
       {{"controlnet_cond_embedding.conv_in.weight", any}, {"add_embedding.linear_1.bias", any}},
       "it is a ControlNet of SDXL\n  --identitynet takes InstantID's, as a folder with its "
       "config.json"},
      {"adapter",
       {{"image_proj.latents", any}},
       "it is a face or picture adapter\n  --adapter takes InstantID's"},
      {"words",
       {{"clip_g", any}, {"clip_l", any}},
       "it is a textual inversion of SDXL\n  --embedding takes it, if it is one for SDXL"},
      {"flux",
       {{"double_blocks.0.img_attn.qkv.weight", any}},
       "it is a Flux model\n  expected an SDXL checkpoint"},
      {"nothing", {{"x", any}}, "it is an unknown file\n  expected an SDXL checkpoint"},
      {"sd1", unet_of(4, 768, 320, 0),
       "it is a Stable Diffusion 1 checkpoint: InstantID needs SDXL, not Stable Diffusion 1 or 2"},
      {"sd2", unet_of(4, 1024, 320, 0), "it is a Stable Diffusion 2 checkpoint"},
      {"refiner", unet_of(4, 1280, 384, 2560), "it is an SDXL refiner checkpoint"},
      {"pix2pix", unet_of(8, 2048, 320, 2816), "it is an SDXL editing (pix2pix) checkpoint"},
  };
  for (const Case& each : cases) {
    const fs::path path = made_file(folder_ / (each.name + ".safetensors"), each.tensors);
    ModelPaths base = model_->paths(path), over = folder();
    over.unet = path;
    EXPECT_TRUE(opening(base).starts_with("argument: cannot use --base " + path.string() + ": " +
                                          each.says))
        << opening(base);
    EXPECT_TRUE(opening(over).starts_with("argument: cannot use --unet " + path.string() + ": " +
                                          each.says))
        << opening(over);
  }
  const auto with = [&](fs::path ModelPaths::*member, const fs::path& path) {
    ModelPaths paths = folder();
    paths.*member = path;
    return opening(paths);
  };
  const fs::path lora = folder_ / "lora.safetensors", sd1 = folder_ / "sd1.safetensors";
  EXPECT_EQ(with(&ModelPaths::vae, lora),
            "argument: cannot use --vae " + lora.string() +
                ": it is a LoRA of SDXL, without a VAE\n  --lora takes it, if it is one for SDXL");
  EXPECT_EQ(with(&ModelPaths::vae, sd1), "argument: cannot use --vae " + sd1.string() +
                                             ": it is a Stable Diffusion 1 checkpoint: InstantID "
                                             "needs SDXL\n  --base takes SDXL checkpoints");
  EXPECT_EQ(with(&ModelPaths::text_encoders, lora),
            "argument: cannot use --text-encoders " + lora.string() +
                ": it is a LoRA of SDXL, without text encoders\n  --lora takes it, if it is one "
                "for SDXL");
  for (const auto& [member, flag] :
       {std::pair(&ModelPaths::unet, "--unet"), std::pair(&ModelPaths::vae, "--vae"),
        std::pair(&ModelPaths::text_encoders, "--text-encoders")}) {
    EXPECT_EQ(with(member, folder_ / "none"), fmt::format("missing: cannot open {} {}: it does not "
                                                          "exist",
                                                          flag, (folder_ / "none").string()));
  }
  EXPECT_NE(with(&ModelPaths::unet, model_->base()).find("expected one file with a UNet"),
            std::string::npos);
  EXPECT_NE(with(&ModelPaths::vae, model_->base() / "unet/..").find("no error"), std::string::npos);
  EXPECT_NE(with(&ModelPaths::vae, folder_ / "one").find("it has no config.json"),
            std::string::npos);
  const fs::path empty = folder_ / "empty";
  fs::create_directories(empty);
  EXPECT_NE(with(&ModelPaths::text_encoders, empty).find("it has no text encoders"),
            std::string::npos);
}

TEST_F(AssembledModelTest, FingerprintsKnowTheFile) {
  const auto fingerprints = [](const ModelPaths& paths) {
    const auto source = open_source(paths);
    return fingerprints_of(*source, open_models(*source));
  };
  const Fingerprints once = fingerprints(single());
  EXPECT_EQ(once, fingerprints(single()));
  const fs::path moved = folder_ / "moved.safetensors";
  fs::copy_file(model_->file(), moved);
  EXPECT_EQ(once, fingerprints(model_->paths(moved)));
  ModelPaths other = single();
  other.unet = SingleFileModel::golden_file("tiny_city96.gguf");
  const Fingerprints changed = fingerprints(other);
  EXPECT_NE(changed.at("the UNet"), once.at("the UNet"));
  EXPECT_EQ(changed.at("the VAE"), once.at("the VAE"));
}

/// A file with SDXL's names and sizes, of zeros that take no disk space.
fs::path sparse_sdxl(const fs::path& path) {
  const std::map<std::string, std::string> prefixes{
      {"unet", "model.diffusion_model."},
      {"vae", "first_stage_model."},
      {"text_encoder", "conditioner.embedders.0.transformer."},
      {"text_encoder_2", "conditioner.embedders.1.model."}};
  std::ifstream names(SingleFileModel::golden_file("sdxl_names.txt"));
  nlohmann::json header;
  std::uint64_t end = 0;
  for (std::string part, name, shape, to, to_shape;
       names >> part >> name >> shape >> to >> to_shape;) {
    const std::string whole = prefixes.at(part) + name;
    if (header.contains(whole)) continue;
    const nlohmann::json sizes = nlohmann::json::parse(shape);
    std::uint64_t bytes = 2;
    for (const auto& size : sizes) bytes *= size.get<std::uint64_t>();
    header[whole] = {{"dtype", "F16"}, {"shape", sizes}, {"data_offsets", {end, end + bytes}}};
    end += bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t size = text.size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&size), sizeof size);
  file << text;
  file.close();
  fs::resize_file(path, sizeof size + size + end);
  return path;
}

TEST_F(AssembledModelTest, OpensSevenGigabytesInWellUnderASecond) {
  const fs::path path = sparse_sdxl(folder_ / "sdxl.safetensors");
  EXPECT_GT(fs::file_size(path), 6'900'000'000U);
  const std::clock_t begin = std::clock();
  const AssumedModels models = assume_models({.base = path});
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  EXPECT_LT(seconds, testing::kSanitized ? 20 : 0.5);
  EXPECT_EQ(models.models.unet.channels, (std::vector<std::int64_t>{320, 640, 1280}));
  EXPECT_EQ(models.models.unet.heads, (std::vector<std::int64_t>{5, 10, 20}));
  EXPECT_EQ(models.models.clip[1].projection, 1280);
}

TEST_F(AssembledModelTest, PlansAssumeMissingParts) {
  const ModelPaths only{.base = model_->file()};
  const AssumedModels models = assume_models(only);
  EXPECT_EQ(models.assumed, (std::vector<std::string>{"--identitynet", "--adapter"}));
  const ModelPaths part{.base = "", .vae = "none.safetensors"};
  EXPECT_EQ(assume_models(part).assumed,
            (std::vector<std::string>{"--base", "--identitynet", "--adapter", "none.safetensors"}));
  const AssumedModels whole = assume_models(single());
  EXPECT_EQ(whole.assumed, std::vector<std::string>{});
  EXPECT_EQ(whole.models.tokenizers.size(), 2U);
}

}  // namespace
}  // namespace semblance
