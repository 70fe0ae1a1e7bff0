#include "weights/identify.h"

#include "weights/weights_test.h"

namespace semblance {
namespace {

struct Tensor {
  std::string name;
  Shape shape = {1};
};
WeightFile file_of(const std::vector<Tensor>& tensors, Metadata metadata = {}) {
  WeightFile file;
  for (const auto& [name, shape] : tensors)
    file.weights.add(name, {DType::kF16, shape, testing::file_of(""), 0});
  file.metadata = std::move(metadata);
  return file;
}

/// The tensors that identify a UNet.
std::vector<Tensor> unet(const std::string& prefix, std::int64_t in_channels = 4,
                         std::int64_t text = 2048, std::int64_t added = 2816,
                         std::int64_t channels = 320) {
  std::vector<Tensor> tensors = {
      {prefix + "input_blocks.0.0.weight", {channels, in_channels, 3, 3}},
      {prefix + "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", {640, text}},
      {prefix + "middle_block.1.norm.weight", {1280}},
      {prefix + "out.2.weight", {4, channels, 3, 3}}};
  if (added > 0) tensors.push_back({prefix + "label_emb.0.0.weight", {1280, added}});
  return tensors;
}
std::vector<Tensor> with(std::vector<Tensor> tensors, const std::vector<Tensor>& more) {
  tensors.insert(tensors.end(), more.begin(), more.end());
  return tensors;
}

const std::string kUNet = "model.diffusion_model.";
const Tensor kVae{"first_stage_model.decoder.conv_in.weight"};
const Tensor kText1{"conditioner.embedders.0.transformer.text_model.final_layer_norm.bias"};
const Tensor kText2{"conditioner.embedders.1.model.ln_final.bias"};

std::string name_of(const std::vector<Tensor>& tensors, Metadata metadata = {}) {
  return identify(file_of(tensors, std::move(metadata))).name;
}
std::string reason(const std::vector<Tensor>& tensors) {
  return reason_against_base(identify(file_of(tensors)));
}

TEST(Identify, RecognisesCheckpointsByTheirUNets) {
  const FileIdentity whole = identify(file_of(with(unet(kUNet), {kVae, kText1, kText2})));
  EXPECT_EQ(whole.kind, FileKind::kCheckpoint);
  EXPECT_EQ(whole.family, ModelFamily::kSdxl);
  EXPECT_EQ(whole.in_channels, 4);
  EXPECT_EQ(whole.prediction, UNetPrediction::kUnsaid);
  EXPECT_EQ(whole.parts.size(), 4U);
  EXPECT_EQ(whole.name, "an SDXL checkpoint");
  EXPECT_EQ(reason_against_base(whole), "");
  EXPECT_EQ(name_of(unet("")), "an SDXL UNet");
  EXPECT_EQ(name_of(unet(kUNet)), "an SDXL UNet");
  EXPECT_EQ(name_of({{"conv_in.weight", {320, 4, 3, 3}},
                     {"conv_norm_out.weight", {320}},
                     {"add_embedding.linear_1.weight", {1280, 2816}},
                     {"mid_block.attentions.0.norm.weight", {1280}}}),
            "an SDXL UNet");
  EXPECT_EQ(name_of(with(unet(kUNet, 9), {kVae})), "an SDXL inpainting checkpoint");
  EXPECT_EQ(reason(with(unet(kUNet, 9), {kVae})), "");
  EXPECT_EQ(reason(unet("", 8)),
            "it is an SDXL editing (pix2pix) UNet: it needs a picture to edit as a second input");
  EXPECT_EQ(reason(unet("", 4, 1280, 2560, 384)),
            "it is an SDXL refiner UNet: it only refines pictures from the base model");
  EXPECT_EQ(reason(with(unet(kUNet, 4, 768, 0), {{"cond_stage_model.transformer.x"}})),
            "it is a Stable Diffusion 1 checkpoint: InstantID needs SDXL, not Stable "
            "Diffusion 1 or 2");
  EXPECT_EQ(name_of(with(unet(kUNet, 9, 1024, 0), {{"cond_stage_model.model.x"}, kVae})),
            "a Stable Diffusion 2 inpainting checkpoint");
  EXPECT_EQ(reason(unet("", 4, 512, 0)), "it is an unknown UNet: InstantID needs SDXL");
}

TEST(Identify, RecognisesModelsThatDifferFromSdxl) {
  std::vector<Tensor> small = unet("");
  std::erase_if(small, [](const Tensor& tensor) { return tensor.name.starts_with("middle"); });
  EXPECT_EQ(reason(small),
            "it is an SDXL (SSD-1B or similar) UNet: IdentityNet needs all of SDXL's "
            "transformers");
  EXPECT_EQ(
      reason(with(unet(kUNet), {kVae, {"edm_mean"}, {"edm_std"}})),
      "it is an SDXL (Playground v2.5) checkpoint: its prediction type (EDM) differs from SDXL's");
  EXPECT_EQ(reason(with(unet(kUNet), {kVae, {"edm_vpred.sigma_max"}})),
            "it is an SDXL (CosXL) checkpoint: its prediction type (EDM) differs from SDXL's");
  EXPECT_EQ(name_of(with(unet(kUNet, 8), {{"edm_vpred.sigma_max"}})), "an SDXL (CosXL Edit) UNet");
  const FileIdentity lcm =
      identify(file_of(with(unet(""), {{"time_embedding.cond_proj.weight", {320, 256}}})));
  EXPECT_TRUE(lcm.is_lcm);
  EXPECT_EQ(lcm.name, "an SDXL LCM UNet");
}

TEST(Identify, ReadsThePredictionType) {
  const auto of = [](const std::vector<Tensor>& marks, Metadata metadata = {}) {
    return identify(file_of(with(unet(kUNet), marks), std::move(metadata)));
  };
  EXPECT_EQ(of({{"v_pred", {0}}}).prediction, UNetPrediction::kVelocity);
  EXPECT_FALSE(of({{"v_pred", {0}}}).zero_snr);
  EXPECT_TRUE(of({{"v_pred", {0}}, {"ztsnr", {0}}}).zero_snr);
  EXPECT_EQ(of({}, {{"modelspec.prediction_type", "epsilon"}}).prediction,
            UNetPrediction::kEpsilon);
  EXPECT_EQ(of({}, {{"modelspec.predict_key", "v"}}).prediction, UNetPrediction::kVelocity);
  EXPECT_EQ(of({}, {{"modelspec.predict_key", "?"}}).prediction, UNetPrediction::kUnsaid);
  EXPECT_EQ(of({{"edm_mean"}}).prediction, UNetPrediction::kEdm);
}

TEST(Identify, RecognisesPartsWithoutAUNet) {
  EXPECT_EQ(name_of({kVae}), "a VAE");
  EXPECT_EQ(name_of({{"decoder.conv_in.weight"}}), "a VAE");
  EXPECT_EQ(name_of({kText1, kText2}), "two text encoders");
  EXPECT_EQ(name_of({kText2}), "SDXL's second text encoder");
  EXPECT_EQ(name_of({{"positional_embedding"}}), "SDXL's second text encoder");
  EXPECT_EQ(name_of({{"text_model.embeddings.token_embedding.weight", {49408, 768}}}),
            "a first text encoder (CLIP-L)");
  EXPECT_EQ(name_of({{"text_model.embeddings.token_embedding.weight", {49408, 1280}}}),
            "SDXL's second text encoder");
  EXPECT_EQ(name_of({kVae, kText1}), "a VAE with text encoders");
  EXPECT_EQ(reason({kVae}), "it is a VAE");
}

TEST(Identify, RecognisesFilesThatAreNotModels) {
  const Shape to_text{16, 2048}, to_text1{16, 768};
  EXPECT_EQ(name_of({{"lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight",
                      to_text}}),
            "a LoRA of SDXL");
  EXPECT_EQ(name_of({{"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight"}}),
            "a LoRA of SDXL");
  EXPECT_EQ(
      name_of({{"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight",
                to_text1}}),
      "a LoRA of Stable Diffusion 1");
  EXPECT_EQ(name_of({{"lora_unet_double_blocks_0_img_attn_proj.lora_down.weight"}}),
            "a LoRA of Flux");
  EXPECT_EQ(name_of({{"x.lora_down.weight"}}, {{"ss_base_model_version", "sdxl_base_v1-0"}}),
            "a LoRA of SDXL");
  EXPECT_EQ(
      name_of({{"x.lora_down.weight"}}, {{"modelspec.architecture", "stable-diffusion-v1/lora"}}),
      "a LoRA of Stable Diffusion 1");
  EXPECT_EQ(name_of({{"x.lora_down.weight"}}), "a LoRA");
  EXPECT_EQ(name_of({{"x.hada_w1_a"}}), "a LoHa");
  EXPECT_EQ(name_of({{"x.lokr_w1_a"}}), "a LoKr");
  EXPECT_EQ(name_of({{"x.oft_blocks"}}), "an OFT adapter");
  EXPECT_EQ(name_of({{"controlnet_cond_embedding.conv_in.weight"},
                     {"conv_in.weight", {320, 4, 3, 3}},
                     {"add_embedding.linear_1.weight", {1280, 2816}}}),
            "a ControlNet of SDXL");
  const std::string reads = "control_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight";
  EXPECT_EQ(name_of({{reads, {640, 2048}}}), "a ControlNet of SDXL");
  EXPECT_EQ(name_of({{reads, {320, 768}}}), "a ControlNet of Stable Diffusion 1");
  EXPECT_EQ(name_of({{reads, {320, 1024}}}), "a ControlNet of Stable Diffusion 2");
  EXPECT_EQ(name_of({{"input_hint_block.0.weight"}, {"label_emb.0.0.weight"}}),
            "a ControlNet of SDXL");
  EXPECT_EQ(name_of({{"lora_controlnet"}, {"zero_convs.0.0.weight"}}), "a Control-LoRA of SDXL");
  EXPECT_EQ(name_of({{"image_proj.latents", {1, 16, 1280}},
                     {"ip_adapter.1.to_k_ip.weight", {640, 2048}}}),
            "a face or picture adapter of SDXL");
  EXPECT_EQ(name_of({{"clip_l", {4, 768}}, {"clip_g", {4, 1280}}}), "a textual inversion of SDXL");
  EXPECT_EQ(name_of({{"string_to_param.*", {4, 768}}}),
            "a textual inversion of Stable Diffusion 1 or 2");
  EXPECT_EQ(name_of({{"model.diffusion_model.double_blocks.0.img_attn.qkv.weight"}}),
            "a Flux model");
  EXPECT_EQ(name_of({{"joint_blocks.0.x_block.attn.qkv.weight"}}), "a Stable Diffusion 3 model");
  EXPECT_EQ(name_of({{"encoder.block.0.layer.0.SelfAttention.q.weight"}}), "a T5 text encoder");
  EXPECT_EQ(name_of({{"model.0.weight"}}), "an upscaler (ESRGAN)");
  EXPECT_EQ(name_of({{"something"}}), "an unknown file");
  EXPECT_EQ(reason({{"x.lora_down.weight"}}), "it is a LoRA");
  EXPECT_EQ(identify(file_of({{"x.lora_down.weight"}})).kind, FileKind::kLora);
}

}  // namespace
}  // namespace semblance
