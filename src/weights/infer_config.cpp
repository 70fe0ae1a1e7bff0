#include "weights/infer_config.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "core/error.h"

namespace semblance {
namespace {

using Object = nlohmann::ordered_json;

constexpr std::int64_t kHeadChannels = 64;
constexpr std::int64_t kTimeIds = 6;

class Tensors {
 public:
  Tensors(const std::string& name, const WeightMap& weights) : name_(name), weights_(weights) {}

  bool has(std::string_view tensor) const { return weights_.find(tensor) != nullptr; }

  const Shape& shape(const std::string& tensor, int rank) const {
    const StoredTensor* stored = weights_.find(tensor);
    if (stored == nullptr) {
      fail(ErrorKind::kMissing,
           "cannot read {}: it has no {}, from which its sizes are derived\n  check that the file "
           "is complete",
           name_, tensor);
    }
    if (stored->shape.rank() != rank) {
      fail(ErrorKind::kShape, "cannot use {}: {} must have {} axes, got {}", name_, tensor, rank,
           to_string(stored->shape));
    }
    return stored->shape;
  }

  /// The number of "<stem>.0.", "<stem>.1.", ...
  std::int64_t count(const std::string& stem) const {
    std::int64_t n = 0;
    while (weights_.has_under(fmt::format("{}.{}.", stem, n))) ++n;
    return n;
  }

  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> reason, Args&&... args) const {
    fail(ErrorKind::kShape, "cannot use {}: {}", name_,
         fmt::format(reason, std::forward<Args>(args)...));
  }

 private:
  const std::string& name_;
  const WeightMap& weights_;
};

/// One number if all levels have the same, else the list.
Object one_or_list(const std::vector<std::int64_t>& values) {
  for (const std::int64_t value : values) {
    if (value != values[0]) return values;
  }
  return values[0];
}

/// A UNet's levels, from the picture's size downward.
struct Levels {
  std::vector<std::int64_t> channels, layers, transformers, heads;
  std::vector<std::string> down, up;
  std::int64_t text_channels = 0;
};

/// Blocks in each transformer of a level: the encoder's, else the decoder's, else 1.
std::int64_t transformers_of(const Tensors& tensors, std::int64_t level, std::int64_t levels) {
  for (const std::string& block :
       {fmt::format("down_blocks.{}", level), fmt::format("up_blocks.{}", levels - 1 - level)}) {
    const std::int64_t depth = tensors.count(block + ".attentions.0.transformer_blocks");
    if (depth > 0) return depth;
  }
  return 1;
}

Levels levels_of(const Tensors& tensors) {
  Levels made;
  const std::int64_t levels = tensors.count("down_blocks");
  if (levels == 0) tensors.refuse("it has no down_blocks");
  for (std::int64_t i = 0; i < levels; ++i) {
    const std::string down = fmt::format("down_blocks.{}", i), up = fmt::format("up_blocks.{}", i);
    const std::int64_t channels = tensors.shape(down + ".resnets.0.conv1.weight", 4)[0];
    made.channels.push_back(channels);
    made.layers.push_back(tensors.count(down + ".resnets"));
    made.heads.push_back(std::max<std::int64_t>(1, channels / kHeadChannels));
    made.transformers.push_back(transformers_of(tensors, i, levels));
    for (const auto& [block, kind, types] :
         {std::tuple{down, "DownBlock2D", &made.down}, {up, "UpBlock2D", &made.up}}) {
      const bool attends = tensors.count(block + ".attentions") > 0;
      types->push_back(std::string(attends ? "CrossAttn" : "") + kind);
      if (!attends || made.text_channels != 0) continue;
      made.text_channels =
          tensors.shape(block + ".attentions.0.transformer_blocks.0.attn2.to_k.weight", 2)[1];
    }
  }
  return made;
}

/// The width of one time id's sinusoid.
std::int64_t time_id_channels(const Tensors& tensors, std::int64_t added, std::int64_t pooled) {
  const std::int64_t ids = added - pooled;
  if (ids <= 0 || ids % kTimeIds != 0) {
    tensors.refuse(
        "add_embedding.linear_1.weight takes {} channels: six time ids of one width and {} of the "
        "second encoder's projection are expected\n  give the text encoders that it was made with",
        added, pooled);
  }
  return ids / kTimeIds;
}

/// What a UNet and a ControlNet have.
Object encoder_config(const Tensors& tensors, const Levels& levels,
                      std::optional<std::int64_t> pooled) {
  constexpr std::int64_t kPublishedPooled = 1280;
  Object config = {
      {"in_channels", tensors.shape("conv_in.weight", 4)[1]},
      {"block_out_channels", levels.channels},
      {"layers_per_block", one_or_list(levels.layers)},
      {"down_block_types", levels.down},
      {"mid_block_type",
       tensors.count("mid_block.attentions") > 0 ? "UNetMidBlock2DCrossAttn" : "UNetMidBlock2D"},
      {"transformer_layers_per_block", levels.transformers},
      {"attention_head_dim", levels.heads},
      {"cross_attention_dim", levels.text_channels},
      {"use_linear_projection", true},
      {"norm_num_groups", 32},
  };
  if (tensors.has("add_embedding.linear_1.weight")) {
    const std::int64_t added = tensors.shape("add_embedding.linear_1.weight", 2)[1];
    config["addition_embed_type"] = "text_time";
    config["addition_time_embed_dim"] =
        time_id_channels(tensors, added, pooled.value_or(kPublishedPooled));
    config["projection_class_embeddings_input_dim"] = added;
  }
  return config;
}

Object unet_config(const Tensors& tensors, std::optional<std::int64_t> pooled) {
  const Levels levels = levels_of(tensors);
  Object config = encoder_config(tensors, levels, pooled);
  config["_class_name"] = "UNet2DConditionModel";
  config["out_channels"] = tensors.shape("conv_out.weight", 4)[0];
  config["sample_size"] = 128;
  config["up_block_types"] = levels.up;
  if (tensors.has("time_embedding.cond_proj.weight"))
    config["time_cond_proj_dim"] = tensors.shape("time_embedding.cond_proj.weight", 2)[1];
  return config;
}

Object controlnet_config(const Tensors& tensors, std::optional<std::int64_t> pooled) {
  const std::string embedding = "controlnet_cond_embedding";
  std::vector<std::int64_t> channels{tensors.shape(embedding + ".conv_in.weight", 4)[0]};
  for (std::int64_t i = 1; i < tensors.count(embedding + ".blocks"); i += 2)
    channels.push_back(tensors.shape(fmt::format("{}.blocks.{}.weight", embedding, i), 4)[0]);
  Object config = encoder_config(tensors, levels_of(tensors), pooled);
  config["_class_name"] = "ControlNetModel";
  config["conditioning_channels"] = tensors.shape(embedding + ".conv_in.weight", 4)[1];
  config["conditioning_embedding_out_channels"] = channels;
  return config;
}

Object vae_config(const Tensors& tensors) {
  std::vector<std::int64_t> channels;
  const std::int64_t levels = tensors.count("encoder.down_blocks");
  for (std::int64_t i = 0; i < levels; ++i) {
    const std::string resnet = fmt::format("encoder.down_blocks.{}.resnets.0", i);
    channels.push_back(tensors.shape(resnet + ".conv1.weight", 4)[0]);
  }
  const auto each = [levels](const char* kind) {
    return std::vector<std::string>(static_cast<std::size_t>(levels), kind);
  };
  return {
      {"_class_name", "AutoencoderKL"},
      {"in_channels", tensors.shape("encoder.conv_in.weight", 4)[1]},
      {"out_channels", tensors.shape("decoder.conv_out.weight", 4)[0]},
      {"latent_channels", tensors.shape("decoder.conv_in.weight", 4)[1]},
      {"block_out_channels", channels},
      {"layers_per_block", tensors.count("encoder.down_blocks.0.resnets")},
      {"down_block_types", each("DownEncoderBlock2D")},
      {"up_block_types", each("UpDecoderBlock2D")},
      {"mid_block_add_attention", tensors.count("decoder.mid_block.attentions") > 0},
      {"use_quant_conv", tensors.has("quant_conv.weight")},
      {"use_post_quant_conv", tensors.has("post_quant_conv.weight")},
      {"norm_num_groups", 32},
      {"sample_size", 1024},
      {"scaling_factor", 0.13025},
  };
}

Object clip_config(const Tensors& tensors, bool is_second) {
  const Shape& table = tensors.shape("text_model.embeddings.token_embedding.weight", 2);
  const std::string layers = "text_model.encoder.layers";
  const std::int64_t width = table[1];
  const bool projects = tensors.has("text_projection.weight");
  return {
      {"model_type", "clip_text_model"},
      {"vocab_size", table[0]},
      {"hidden_size", width},
      {"intermediate_size", tensors.shape(layers + ".0.mlp.fc1.weight", 2)[0]},
      {"num_hidden_layers", tensors.count(layers)},
      {"num_attention_heads", std::max<std::int64_t>(1, width / kHeadChannels)},
      {"max_position_embeddings",
       tensors.shape("text_model.embeddings.position_embedding.weight", 2)[0]},
      {"hidden_act", is_second ? "gelu" : "quick_gelu"},
      {"projection_dim", projects ? tensors.shape("text_projection.weight", 2)[0] : width},
      {"eos_token_id", 2},  // as published: use the position of the highest id
      {"layer_norm_eps", 1e-5},
  };
}

Json json_of(const std::string& name, const Object& object) {
  return Json::parse(name, object.dump());
}

}  // namespace

Json infer_config(const std::string& name, std::string_view component, const WeightMap& weights,
                  std::optional<std::int64_t> pooled) {
  const Tensors tensors(name, weights);
  if (component == "unet") return json_of(name, unet_config(tensors, pooled));
  if (component == "controlnet") return json_of(name, controlnet_config(tensors, pooled));
  if (component == "vae") return json_of(name, vae_config(tensors));
  SEMBLANCE_ASSERT(component == "text_encoder" || component == "text_encoder_2");
  return json_of(name, clip_config(tensors, component == "text_encoder_2"));
}

Json infer_scheduler(const std::string& name, const FileIdentity& identity) {
  const bool velocity = identity.prediction == UNetPrediction::kVelocity;
  return json_of(name, {{"_class_name", "EulerDiscreteScheduler"},
                        {"num_train_timesteps", 1000},
                        {"beta_start", 0.00085},
                        {"beta_end", 0.012},
                        {"beta_schedule", "scaled_linear"},
                        {"timestep_spacing", identity.zero_snr ? "trailing" : "leading"},
                        {"steps_offset", 1},
                        {"prediction_type", velocity ? "v_prediction" : "epsilon"},
                        {"rescale_betas_zero_snr", identity.zero_snr}});
}

}  // namespace semblance
