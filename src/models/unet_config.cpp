#include "models/unet_config.h"

#include "core/error.h"

namespace semblance {
namespace {

constexpr IntRange kPositive{1, 1 << 20};

/// Rejects keys that would change the structure: they must be absent or have SDXL's value.
void refuse_other_structures(const Json& json) {
  for (const char* key :
       {"class_embed_type", "num_class_embeds", "encoder_hid_dim", "encoder_hid_dim_type",
        "time_embedding_dim", "time_embedding_act_fn", "timestep_post_act", "cross_attention_norm",
        "num_attention_heads", "reverse_transformer_layers_per_block"}) {
    if (json.has(key)) json.refuse(key, "null: only SDXL's structure is supported");
  }
  for (const char* key : {"dual_cross_attention", "only_cross_attention", "center_input_sample",
                          "resnet_skip_time_act", "class_embeddings_concat",
                          "mid_block_only_cross_attention", "global_pool_conditions"}) {
    if (json.get_bool(key, false)) json.refuse(key, "false: only SDXL's structure is supported");
  }
  for (const auto& [key, only] : {std::pair<const char*, const char*>{"act_fn", "silu"},
                                  {"resnet_time_scale_shift", "default"},
                                  {"time_embedding_type", "positional"},
                                  {"attention_type", "default"},
                                  {"mid_block_type", "UNetMidBlock2DCrossAttn"},
                                  {"controlnet_conditioning_channel_order", "rgb"}}) {
    if (json.get_string(key, only) != only)
      json.refuse(key, fmt::format("\"{}\": only SDXL's structure is supported", only));
  }
  for (const char* key : {"mid_block_scale_factor", "resnet_out_scale_factor"}) {
    if (json.get_float(key, 1.0) != 1.0) json.refuse(key, "1: only SDXL's structure is supported");
  }
  for (const char* key : {"conv_in_kernel", "conv_out_kernel"}) {
    if (json.get_int(key, 3) != 3) json.refuse(key, "3: only SDXL's structure is supported");
  }
  if (json.get_string("addition_embed_type", "none") != "text_time") {
    json.refuse("addition_embed_type",
                "\"text_time\": InstantID works on SDXL, not on Stable Diffusion 1 or 2");
  }
}

std::vector<bool> attention_of(const Json& json, std::string_view key, std::string_view with,
                               std::string_view without, std::vector<std::string> fallback,
                               std::size_t levels) {
  const std::vector<std::string> types = json.get_string_list(key, std::move(fallback));
  if (types.size() != levels)
    json.refuse(key, fmt::format("a list of {} names, one per level", levels));
  std::vector<bool> attention;
  for (const std::string& type : types) {
    if (type != with && type != without)
      json.refuse(key, fmt::format("a list of \"{}\" and \"{}\"", with, without));
    attention.push_back(type == with);
  }
  return attention;
}

UNetConfig common_config(const Json& json) {
  refuse_other_structures(json);
  UNetConfig config;
  config.in_channels = json.get_int("in_channels", 4, kPositive);
  config.channels = json.get_int_list("block_out_channels",
                                      std::vector<std::int64_t>{320, 640, 1280, 1280}, kPositive);
  const std::size_t levels = config.channels.size();
  if (levels < 1 || levels > 8) json.refuse("block_out_channels", "a list of 1 to 8 numbers");
  config.layers = json.get_int_or_list("layers_per_block", levels, 2, IntRange{1, 64});
  config.down_attention = attention_of(
      json, "down_block_types", "CrossAttnDownBlock2D", "DownBlock2D",
      {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"},
      levels);
  config.transformer_layers =
      json.get_int_or_list("transformer_layers_per_block", levels, 1, IntRange{0, 256});
  config.heads = json.get_int_or_list("attention_head_dim", levels, 8, kPositive);
  config.cross_channels = json.get_int_or_list("cross_attention_dim", levels, 1280, kPositive);
  config.linear_projection = json.get_bool("use_linear_projection", false);
  config.groups = json.get_int("norm_num_groups", 32, kPositive);
  config.eps = static_cast<float>(json.get_float("norm_eps", 1e-5));
  config.downsample_padding = json.get_int("downsample_padding", 1, IntRange{0, 1});
  config.flip_sin_to_cos = json.get_bool("flip_sin_to_cos", true);
  config.freq_shift = static_cast<float>(json.get_float("freq_shift", 0));
  config.time_id_channels = json.get_int("addition_time_embed_dim", std::nullopt, kPositive);
  config.added_channels =
      json.get_int("projection_class_embeddings_input_dim", std::nullopt, kPositive);
  if (config.pooled_channels() < 1) {
    json.refuse("projection_class_embeddings_input_dim", "more than 6 x addition_time_embed_dim");
  }
  for (std::size_t i = 0; i < levels; ++i) {
    if (config.channels[i] % config.groups != 0)
      json.refuse("norm_num_groups", "a divisor of every block_out_channels");
    if (config.down_attention[i] && config.channels[i] % config.heads[i] != 0) {
      json.refuse("attention_head_dim", "a number of heads that divides the level's channels");
    }
  }
  if (config.channels[levels - 1] % config.heads[levels - 1] != 0) {
    json.refuse("attention_head_dim", "a number of heads that divides the level's channels");
  }
  return config;
}

}  // namespace

UNetConfig unet_config(const Json& json) {
  UNetConfig config = common_config(json);
  config.out_channels = json.get_int("out_channels", 4, kPositive);
  config.sample_size = json.get_int("sample_size", 128, IntRange{1, 1024});
  if (json.has("time_cond_proj_dim")) {
    config.guidance_channels = json.get_int("time_cond_proj_dim", std::nullopt, IntRange{4, 4096});
    if (config.guidance_channels % 2 != 0) json.refuse("time_cond_proj_dim", "an even number");
  }
  config.up_attention =
      attention_of(json, "up_block_types", "CrossAttnUpBlock2D", "UpBlock2D",
                   {"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"},
                   config.channels.size());
  return config;
}

UNetConfig controlnet_config(const Json& json) {
  if (json.has("time_cond_proj_dim"))
    json.refuse("time_cond_proj_dim", "null: a ControlNet takes no guidance scale");
  UNetConfig config = common_config(json);
  config.conditioning_channels = json.get_int("conditioning_channels", 3, kPositive);
  config.conditioning_embedding = json.get_int_list(
      "conditioning_embedding_out_channels", std::vector<std::int64_t>{16, 32, 96, 256}, kPositive);
  if (config.conditioning_channels != 3)
    json.refuse("conditioning_channels", "3: a ControlNet reads an RGB picture");
  if (config.conditioning_embedding.size() != 4) {
    json.refuse("conditioning_embedding_out_channels",
                "a list of 4 numbers: the picture is 8 times the latent's size");
  }
  return config;
}

}  // namespace semblance
