// Configs: diffusers' defaults, and the messages for unsupported values.
#include <gtest/gtest.h>

#include "models/clip.h"
#include "models/resampler.h"
#include "models/unet.h"
#include "models/unet_config.h"
#include "models/vae.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

using testing::error_of;

/// The smallest config of an SDXL-like UNet; `extra` is appended and may override a key.
Json unet_json(const std::string& extra = "") {
  return Json::parse("unet/config.json",
                     R"({"addition_embed_type": "text_time", "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 80, "block_out_channels": [32, 64], "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "attention_head_dim": [2, 4], "cross_attention_dim": 32)" +
                         (extra.empty() ? "" : ", " + extra) + "}");
}

TEST(UNetConfig, UsesDiffusersDefaultsForAbsentKeys) {
  const UNetConfig config = unet_config(unet_json());
  EXPECT_EQ(config.in_channels, 4);
  EXPECT_EQ(config.layers, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(config.groups, 32);
  EXPECT_FALSE(config.linear_projection);
  EXPECT_EQ(config.transformer_layers, (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(config.pooled_channels(), 32);
  EXPECT_EQ(config.guidance_channels, 0);
}

TEST(UNetConfig, RejectsOtherStructuresByKey) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {R"("class_embed_type": "timestep")", "class_embed_type"},
      {R"("dual_cross_attention": true)", "dual_cross_attention"},
      {R"("act_fn": "gelu")", "act_fn"},
      {R"("mid_block_scale_factor": 2)", "mid_block_scale_factor"},
      {R"("conv_in_kernel": 5)", "conv_in_kernel"},
      {R"("addition_embed_type": "image")", "SDXL, not on Stable Diffusion 1 or 2"},
      {R"("norm_num_groups": 24)", "a divisor of every block_out_channels"},
      {R"("attention_head_dim": [2, 5])", "a number of heads that divides"},
      {R"("down_block_types": ["DownBlock2D", "ResnetDownsampleBlock2D"])", "CrossAttnDownBlock2D"},
      {R"("down_block_types": ["DownBlock2D"])", "a list of 2 names"},
      {R"("projection_class_embeddings_input_dim": 48)", "more than 6 x addition_time_embed_dim"},
      {R"("block_out_channels": [])", "a list of 1 to 8 numbers"},
      {R"("block_out_channels": "wide")", "block_out_channels"},
      {R"("time_cond_proj_dim": 7)", "an even number"},
      {R"("in_channels": -4)", "in_channels"}};
  for (const auto& [extra, part] : wrong) {
    const std::string text = error_of([json = unet_json(extra)] { unet_config(json); });
    EXPECT_NE(text.find(part), std::string::npos) << extra << " gives: " << text;
    EXPECT_NE(text.find("unet/config.json"), std::string::npos) << text;
  }
}

TEST(UNetConfig, NamesAMissingKeyWithoutDefault) {
  const std::string text = error_of(
      [] { unet_config(Json::parse("config.json", R"({"addition_embed_type": "text_time"})")); });
  EXPECT_NE(text.find("addition_time_embed_dim"), std::string::npos) << text;
}

TEST(IdentityNetConfig, RequiresAnRgbPictureEightTimesTheLatent) {
  EXPECT_EQ(controlnet_config(unet_json()).conditioning_embedding,
            (std::vector<std::int64_t>{16, 32, 96, 256}));
  EXPECT_NE(
      error_of([] { controlnet_config(unet_json(R"("conditioning_channels": 1)")); }).find("RGB"),
      std::string::npos);
  EXPECT_NE(error_of([] {
              controlnet_config(unet_json(R"("conditioning_embedding_out_channels": [16, 32])"));
            }).find("a list of 4 numbers"),
            std::string::npos);
}

TEST(IdentityNet, RejectsAnotherUNet) {
  const UNetConfig large = unet_config(unet_json());
  const UNetConfig small = controlnet_config(unet_json(R"("layers_per_block": 1)"));
  Graph graph;
  const Scope root(&graph, "");
  const StepInputs inputs{
      root.input("latent", DType::kF32, {1, 4, 4, 4}), root.input("timestep", DType::kF32, {1}),
      root.input("pooled", DType::kF32, {1, 32}), root.input("time_ids", DType::kF32, {6})};
  const Value text = root.input("text", DType::kF32, {1, 3, 32});
  const Value picture = root.input("picture", DType::kF32, {1, 32, 32, 3});
  const Scope identity(&graph, "identitynet.");
  const Value conditioning = conditioning_embedding(identity, small, picture, DType::kF32);
  const std::string text_of_error = error_of([&] {
    unet(Scope(&graph, "unet."), large, inputs, text, text,
         {ControlInputs{identity, &small, conditioning, text, 1.0F}}, {}, DType::kF32);
  });
  EXPECT_NE(text_of_error.find("not made for each other"), std::string::npos) << text_of_error;
}

TEST(ClipConfig, RejectsUnsupportedValues) {
  EXPECT_NE(error_of([] {
              clip_config(Json::parse("c.json", R"({"hidden_act": "relu"})"));
            }).find("quick_gelu or gelu"),
            std::string::npos);
  EXPECT_NE(
      error_of([] {
        clip_config(Json::parse("c.json", R"({"hidden_size": 10, "num_attention_heads": 3})"));
      }).find("a divisor of hidden_size"),
      std::string::npos);
}

TEST(ClipConfig, FindsTheEndAsTransformersDoes) {
  ClipConfig config{};
  config.end_id = 2;  // old configs: the position of the highest id
  EXPECT_EQ(end_position(config, std::vector<std::int32_t>{5, 1, 9, 9, 2}), 2);
  config.end_id = 9;
  EXPECT_EQ(end_position(config, std::vector<std::int32_t>{5, 1, 3, 9, 9}), 3);
  EXPECT_EQ(end_position(config, std::vector<std::int32_t>{5, 1, 3, 4, 4}), 0);
}

TEST(VaeConfig, RejectsOtherStructures) {
  const auto config = [](const std::string& extra) {
    return error_of([&] {
      vae_config(
          Json::parse("vae.json", R"({"block_out_channels": [32, 32, 32, 32])" + extra + "}"));
    });
  };
  EXPECT_EQ(config(""), "no error");
  EXPECT_NE(config(R"(, "in_channels": 1)").find("in_channels"), std::string::npos);
  EXPECT_NE(config(R"(, "scaling_factor": 0)").find("positive"), std::string::npos);
  EXPECT_NE(config(R"(, "down_block_types": ["AttnDownEncoderBlock2D", "a", "b", "c"])")
                .find("DownEncoderBlock2D"),
            std::string::npos);
  EXPECT_NE(config(R"(, "norm_num_groups": 7)").find("a divisor"), std::string::npos);
  EXPECT_NE(error_of([] {
              vae_config(Json::parse("vae.json", R"({"block_out_channels": [32]})"));
            }).find("a list of 4 numbers"),
            std::string::npos);
}

StoredTensor stored(Shape shape) {
  const auto bytes = static_cast<std::size_t>(shape.elements()) * 4;
  return {DType::kF32, shape, memory_file("vae.safetensors", std::vector<std::byte>(bytes)), 0};
}

TEST(ResamplerConfig, NamesWhatAnAdapterLacks) {
  WeightMap weights;
  EXPECT_NE(
      error_of([&] { resampler_config(weights, ""); }).find("is this InstantID's ip-adapter.bin?"),
      std::string::npos);
  weights.add("latents", stored({16, 32}));
  EXPECT_NE(error_of([&] {
              resampler_config(weights, "");
            }).find("latents must have 3 axes, got [16,32]"),
            std::string::npos);
  WeightMap odd;
  odd.add("latents", stored({1, 16, 32}));
  odd.add("proj_in.weight", stored({32, 512}));
  odd.add("proj_out.weight", stored({64, 32}));
  odd.add("layers.0.0.to_q.weight", stored({100, 32}));
  EXPECT_NE(error_of([&] {
              resampler_config(odd, "");
            }).find("to_q must have a multiple of 64 rows, got 100"),
            std::string::npos);
}

}  // namespace
}  // namespace semblance
