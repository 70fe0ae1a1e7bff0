#include "pipeline/model_source.h"

#include <algorithm>

#include "core/error.h"
#include "weights/checkpoint.h"
#include "weights/name_table.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

/// For a parent folder or a single file, says which folder is expected, instead of only reporting
/// an obscure missing file.
void check_folder(std::string_view flag, const fs::path& folder, const char* file,
                  std::string_view needed) {
  if (!fs::is_directory(folder)) {
    fail(ErrorKind::kArgument, "cannot open {} {}: expected {}, got a file", flag, folder.string(),
         needed);
  }
  if (!fs::exists(folder / file)) {
    fail(ErrorKind::kMissing,
         "cannot open {} {}: it has no {}\n  expected {}; docs/models.md lists its files", flag,
         folder.string(), file, needed);
  }
}

// The keys of the published configs that are used.
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

std::string_view published_config(std::string_view component) {
  if (component == "scheduler") return kScheduler;
  if (component == "text_encoder") return kText1;
  if (component == "text_encoder_2") return kText2;
  if (component == "unet") return kUNet;
  if (component == "identitynet") return kIdentityNet;
  if (component == "vae") return kVae;
  return "{}";
}

bool is_optional(std::string_view component) {
  return component == "model_index" || component == "generation";
}

std::string_view config_file(std::string_view component) {
  if (component == "scheduler") return "scheduler_config.json";
  if (component == "model_index") return "model_index.json";
  return component == "generation" ? "generation_config.json" : "config.json";
}

std::string_view flag_of(std::string_view component) {
  if (component == "identitynet") return "--identitynet";
  return component == "adapter" ? "--adapter" : "--base";
}

fs::path inside(const fs::path& folder, std::string_view name) {
  return folder.empty() ? fs::path() : folder / name;
}

}  // namespace

namespace {

void check_exists(std::string_view flag, const fs::path& path) {
  if (path.empty())
    fail(ErrorKind::kArgument, "{} is needed: the path of a part of the model (see --help)", flag);
  if (!fs::exists(path))
    fail(ErrorKind::kMissing, "cannot open {} {}: it does not exist", flag, path.string());
}

}  // namespace

void DiffusersFolder::check() const {
  check_exists("--base", paths_.base);
  check_folder("--base", paths_.base, "model_index.json", "a diffusers folder of an SDXL model");
  if (!fs::exists(paths_.base / "text_encoder_2")) {
    fail(ErrorKind::kMissing,
         "cannot open --base {}: it has no second text encoder (text_encoder_2)\n  InstantID needs "
         "SDXL, not Stable Diffusion 1 or 2",
         paths_.base.string());
  }
  check_others();
}

void DiffusersFolder::check_others() const {
  check_exists("--identitynet", paths_.identitynet);
  check_exists("--adapter", paths_.adapter);
  check_folder("--identitynet", paths_.identitynet, "config.json",
               "InstantID's folder ControlNetModel");
}

fs::path DiffusersFolder::place(std::string_view component) const {
  if (component == "identitynet") return paths_.identitynet;
  if (component == "adapter") return paths_.adapter;
  return is_optional(component) ? paths_.base : inside(paths_.base, component);
}

Json DiffusersFolder::config(std::string_view component) const {
  const fs::path path = place(component) / config_file(component);
  if (component == "generation" && !fs::exists(path)) return Json::parse(path.string(), "{}");
  return Json::load(path).expect_object();
}

WeightMap DiffusersFolder::weights(std::string_view component) const {
  const fs::path path = place(component);
  return component == "adapter" ? open_weights(path) : open_folder(component, path);
}

std::vector<fs::path> DiffusersFolder::settings(std::string_view component) const {
  if (component == "adapter") return {};
  if (component.starts_with("tokenizer")) return tokenizer_files(place(component));
  return {place(component) / config_file(component)};
}

std::optional<Tokenizer> DiffusersFolder::tokenizer(int encoder) const {
  return Tokenizer::load(place(encoder == 0 ? "tokenizer" : "tokenizer_2"));
}

WeightMap open_folder(std::string_view component, const fs::path& folder) {
  WeightMap weights = open_component(folder);
  if (component == "vae") return renamed(weights, kVaeNames);
  if (component.starts_with("text_encoder")) return renamed(weights, kTextEncoderNames);
  return weights;
}

std::vector<fs::path> tokenizer_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const char* name :
       {"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"})
    files.push_back(folder / name);
  return files;
}

namespace {

/// Reports a missing folder once, not once for each file in it.
fs::path present(const fs::path& path, std::vector<std::string>& assumed) {
  if (path.empty() || fs::exists(path)) return path;
  assumed.push_back(path.string());
  return {};
}

}  // namespace

PublishedModel::PublishedModel(const ModelPaths& paths)
    : given_(paths),
      files_({present(paths.base, assumed_), present(paths.identitynet, assumed_),
              present(paths.adapter, assumed_)}) {}

std::vector<std::string> PublishedModel::assumed() const {
  std::vector<std::string> assumed = assumed_;
  for (const auto& [flag, path] : {std::pair<std::string, const fs::path*>{"--base", &given_.base},
                                   {"--identitynet", &given_.identitynet},
                                   {"--adapter", &given_.adapter}}) {
    if (!path->empty()) std::erase(assumed, flag);  // reported by its path instead
  }
  return assumed;
}

void PublishedModel::note(const fs::path& path, std::string_view component) const {
  std::string name = path.empty() ? std::string(flag_of(component)) : path.string();
  if (std::find(assumed_.begin(), assumed_.end(), name) == assumed_.end())
    assumed_.push_back(std::move(name));
}

Json PublishedModel::config(std::string_view component) const {
  const fs::path path = inside(place(component), config_file(component));
  if (!path.empty() && fs::exists(path)) return Json::load(path).expect_object();
  if (!is_optional(component)) note(path, component);
  return Json::parse(std::string(flag_of(component)), published_config(component));
}

WeightMap PublishedModel::weights(std::string_view component) const {
  const fs::path path = place(component);
  if (path.empty() || !fs::exists(path)) {
    note(path, component);
    return {};
  }
  try {
    return files_.weights(component);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kMissing) throw;
    note(path / "*.safetensors", component);
    return {};
  }
}

}  // namespace semblance
