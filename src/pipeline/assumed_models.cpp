#include "pipeline/assumed_models.h"

#include <algorithm>

#include "core/error.h"
#include "weights/checkpoint.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

// The published configs' keys that matter here.
constexpr std::string_view kScheduler =
    R"({"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "timestep_spacing": "leading", "steps_offset": 1})";
constexpr std::string_view kText1 =
    R"({"vocab_size": 49408, "hidden_size": 768, "intermediate_size": 3072,
        "num_hidden_layers": 12, "num_attention_heads": 12, "max_position_embeddings": 77,
        "hidden_act": "quick_gelu", "projection_dim": 768, "eos_token_id": 2,
        "layer_norm_eps": 1e-05})";
constexpr std::string_view kText2 =
    R"({"vocab_size": 49408, "hidden_size": 1280, "intermediate_size": 5120,
        "num_hidden_layers": 32, "num_attention_heads": 20, "max_position_embeddings": 77,
        "hidden_act": "gelu", "projection_dim": 1280, "eos_token_id": 2,
        "layer_norm_eps": 1e-05})";
constexpr std::string_view kUNet =
    R"({"in_channels": 4, "out_channels": 4, "sample_size": 128,
        "block_out_channels": [320, 640, 1280], "layers_per_block": 2,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 2, 10], "attention_head_dim": [5, 10, 20],
        "cross_attention_dim": 2048, "use_linear_projection": true, "norm_num_groups": 32,
        "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816})";
constexpr std::string_view kIdentityNet =
    R"({"in_channels": 4, "block_out_channels": [320, 640, 1280], "layers_per_block": 2,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "transformer_layers_per_block": [1, 2, 10], "attention_head_dim": [5, 10, 20],
        "cross_attention_dim": 2048, "use_linear_projection": true, "norm_num_groups": 32,
        "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816, "conditioning_channels": 3,
        "conditioning_embedding_out_channels": [16, 32, 96, 256]})";
constexpr std::string_view kVae =
    R"({"latent_channels": 4, "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D",
                             "DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D",
                           "UpDecoderBlock2D"],
        "norm_num_groups": 32, "sample_size": 1024, "scaling_factor": 0.13025})";

/// Reads what is there and keeps in mind what is not.
class Reader {
 public:
  explicit Reader(std::vector<std::string>& assumed) : assumed_(assumed) {}

  Json config(const fs::path& path, std::string_view flag, std::string_view published) {
    if (!path.empty() && fs::exists(path)) return Json::load(path).expect_object();
    note(path, flag);
    return Json::parse(std::string(flag), published);
  }

  /// `path`: a component's folder, or a file.
  WeightMap weights(const fs::path& path, std::string_view flag) {
    if (path.empty() || !fs::exists(path)) {
      note(path, flag);
      return {};
    }
    if (!fs::is_directory(path)) return open_weights(path);
    try {
      return open_component(path);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kMissing) throw;
      note(path / "*.safetensors", flag);
      return {};
    }
  }

 private:
  /// A path, or the flag that would have named it; each once.
  void note(const fs::path& path, std::string_view flag) {
    std::string name = path.empty() ? std::string(flag) : path.string();
    if (std::find(assumed_.begin(), assumed_.end(), name) == assumed_.end())
      assumed_.push_back(std::move(name));
  }
  std::vector<std::string>& assumed_;
};

fs::path inside(const fs::path& base, std::string_view name) {
  return base.empty() ? fs::path() : base / name;
}

/// A folder that is not there is told once, and not by what would be in it.
fs::path present(const fs::path& path, std::vector<std::string>& assumed) {
  if (path.empty() || fs::exists(path)) return path;
  assumed.push_back(path.string());
  return {};
}

AssumedModels assume(const ModelPaths& given) {
  AssumedModels result;
  OpenedModels& models = result.models;
  const ModelPaths paths{present(given.base, result.assumed),
                         present(given.identitynet, result.assumed),
                         present(given.adapter, result.assumed)};
  Reader reader(result.assumed);
  models.scheduler = SchedulerConfig::read(
      reader.config(inside(paths.base, "scheduler/scheduler_config.json"), "--base", kScheduler));
  const fs::path index = inside(paths.base, "model_index.json");
  if (!index.empty() && fs::exists(index)) {
    models.zero_absent_negative =
        Json::load(index).expect_object().get_bool("force_zeros_for_empty_prompt", true);
  }
  models.guidance = guidance_of(paths.base);
  const auto config = [&](std::string_view folder, std::string_view published) {
    const fs::path path = inside(paths.base, folder);
    return reader.config(path.empty() ? path : path / "config.json", "--base", published);
  };
  models.clip = {clip_config(config("text_encoder", kText1)),
                 clip_config(config("text_encoder_2", kText2))};
  models.unet = unet_config(config("unet", kUNet));
  models.vae = vae_config(config("vae", kVae));
  models.identitynet = identitynet_config(
      reader.config(inside(paths.identitynet, "config.json"), "--identitynet", kIdentityNet));

  models.clip_weights = {
      normalise_text_encoder_names(reader.weights(inside(paths.base, "text_encoder"), "--base")),
      normalise_text_encoder_names(reader.weights(inside(paths.base, "text_encoder_2"), "--base"))};
  models.vae_weights = normalise_vae_names(reader.weights(inside(paths.base, "vae"), "--base"));
  models.denoiser_weights.merge("unet.", reader.weights(inside(paths.base, "unet"), "--base"));
  models.denoiser_weights.merge("identitynet.", reader.weights(paths.identitynet, "--identitynet"));
  constexpr std::string_view kAdapter = "ip_adapter.";
  constexpr std::string_view kResampler = "image_proj.";
  WeightMap adapter;
  for (const auto& [name, tensor] : reader.weights(paths.adapter, "--adapter")) {
    if (name.starts_with(kAdapter)) adapter.add(name, tensor);
    if (name.starts_with(kResampler))
      models.resampler_weights.add(name.substr(kResampler.size()), tensor);
  }
  models.denoiser_weights.merge("", std::move(adapter));
  if (!models.resampler_weights.empty())
    models.resampler = resampler_config(models.resampler_weights, "");
  for (const auto& [flag, path] : {std::pair<std::string, const fs::path*>{"--base", &given.base},
                                   {"--identitynet", &given.identitynet},
                                   {"--adapter", &given.adapter}}) {
    if (!path->empty()) std::erase(result.assumed, flag);  // it is told by its path
  }
  return result;
}

}  // namespace

AssumedModels assume_models(const ModelPaths& paths) {
  if (!paths.base.empty() && !paths.identitynet.empty() && !paths.adapter.empty()) {
    try {
      return {open_models(paths), {}};
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kMissing) throw;
    }
  }
  return assume(paths);
}

}  // namespace semblance
