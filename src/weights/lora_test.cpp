#include "weights/lora.h"

#include <gtest/gtest.h>

#include "weights/lora_test.h"

namespace semblance {
namespace {

using testing::error_of;
using testing::MadeLora;
using testing::small_model;

const std::string kProjIn = "lora_unet_input_blocks_4_1_proj_in";
const std::string kQuery = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q";

std::string module_of(std::string_view name) {
  static const LoraNames names = small_model();
  const LoraNames::Found found = names.find(name);
  return found.layer == nullptr ? "none" : found.layer->module;
}

/// The original names are those of docs/reference.md, section 5, and of kohya's files.
TEST(LoraNames, AreFoundInBothSchemes) {
  const std::string attention = "down_blocks.1.attentions.0";
  const std::string block = attention + ".transformer_blocks.0";
  const std::pair<const char*, std::string> rows[] = {
      {"lora_unet_input_blocks_0_0", "conv_in"},
      {"lora_unet_time_embed_0", "time_embedding.linear_1"},
      {"lora_unet_label_emb_0_2", "add_embedding.linear_2"},
      {"lora_unet_input_blocks_2_0_in_layers_2", "down_blocks.0.resnets.1.conv1"},
      {"lora_unet_input_blocks_3_0_op", "down_blocks.0.downsamplers.0.conv"},
      {"lora_unet_input_blocks_4_1_proj_in", attention + ".proj_in"},
      {"lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q", block + ".attn1.to_q"},
      {"lora_unet_middle_block_2_emb_layers_1", "mid_block.resnets.1.time_emb_proj"},
      {"lora_unet_middle_block_1_proj_out", "mid_block.attentions.0.proj_out"},
      {"lora_unet_output_blocks_2_2_conv", "up_blocks.0.upsamplers.0.conv"},
      {"lora_unet_output_blocks_8_0_skip_connection", "up_blocks.2.resnets.2.conv_shortcut"},
      {"lora_unet_out_2", "conv_out"},
      {"lora_unet_down_blocks_0_resnets_1_conv1", "down_blocks.0.resnets.1.conv1"},
      {"lora_unet_up_blocks_0_upsamplers_0_conv", "up_blocks.0.upsamplers.0.conv"},
      {"lycoris_input_blocks_4_1_norm", attention + ".norm"},
      {"lycoris_down_blocks_1_attentions_0_norm", attention + ".norm"},
      {"unet.down_blocks.1.attentions.0.proj_in", attention + ".proj_in"},
      {"base_model.model.unet.conv_in", "conv_in"},
      {"down_blocks.1.attentions.0.proj_in", attention + ".proj_in"},
      {"diffusion_model.input_blocks.4.1.proj_in", attention + ".proj_in"},
      {"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.processor.to_q",
       block + ".attn1.to_q"},
      {"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.processor.to_out",
       block + ".attn1.to_out.0"},
      {"lora_te1_text_model_encoder_layers_0_self_attn_q_proj",
       "text_model.encoder.layers.0.self_attn.q_proj"},
      {"lora_te_text_model_encoder_layers_0_self_attn_q_proj",
       "text_model.encoder.layers.0.self_attn.q_proj"},
      {"text_encoder.text_model.encoder.layers.0.self_attn.q_proj",
       "text_model.encoder.layers.0.self_attn.q_proj"},
      {"text_encoder.encoder.layers.0.self_attn.q_proj",
       "text_model.encoder.layers.0.self_attn.q_proj"},
      {"lora_te2_text_model_encoder_layers_0_mlp_fc1", "text_model.encoder.layers.0.mlp.fc1"},
      {"lora_te2_text_projection", "text_projection"},
      {"text_encoder_2.text_projection", "text_projection"},
      {"lora_te1_text_projection", "none"},
      {"lora_te1_text_model_embeddings_token_embedding", "none"},
      {"lora_unet_input_blocks_9_1_proj_in", "none"},
      {"lora_unet_", "none"},
      {"", "none"},
  };
  for (const auto& [name, module] : rows) EXPECT_EQ(module_of(name), module) << name;
  EXPECT_EQ(small_model().cross_width(), 16);
}

struct Applied {
  LoraPatches patches;
  LoraMatch match;
  const WeightPatch& only(LoraPart part, const std::string& name) const {
    const auto& all = patches[static_cast<std::size_t>(part)].at(name);
    EXPECT_EQ(all.size(), 1U);
    return all.front();
  }
};

Applied apply(const MadeLora& made, LoraStrength strength = {}) {
  Applied applied;
  applied.match = add_lora(read_lora(made.file()), small_model(), strength, applied.patches);
  return applied;
}

std::string refusal(const MadeLora& made) {
  return error_of([&] { apply(made); });
}

TEST(Lora, IsScaledByAlphaRankAndStrength) {
  MadeLora made;
  made.add_pair(kProjIn, 8, 8, 4).add(kProjIn + ".alpha", {}, 2);
  made.add_pair(kQuery, 8, 8, 4).add(kQuery + ".alpha", {1}, 0);
  made.add_pair("lora_te1_text_model_encoder_layers_0_self_attn_q_proj", 6, 6);
  const Applied applied = apply(made, {.unet = -3, .text = 0.25F});
  EXPECT_EQ(applied.match.layers, 3U);
  EXPECT_TRUE(applied.match.unmatched.empty());
  const std::string block = "unet.down_blocks.1.attentions.0.";
  EXPECT_EQ(applied.only(LoraPart::kUNet, block + "proj_in.weight").scale, -1.5F);
  EXPECT_EQ(applied.only(LoraPart::kUNet, block + "transformer_blocks.0.attn1.to_q.weight").scale,
            -3);
  EXPECT_EQ(
      applied.only(LoraPart::kTextEncoder1, "text_model.encoder.layers.0.self_attn.q_proj.weight")
          .scale,
      0.25F);
}

TEST(Lora, TakesPeftsSettingsWhereThereIsNoAlpha) {
  const std::string block = "unet.down_blocks.1.attentions.0.";
  const auto scales = [&](const std::string& settings) {
    MadeLora made;
    made.add_pair(block + "proj_in", 8, 8, 4).metadata("lora_adapter_metadata", settings);
    made.add_pair(block + "transformer_blocks.0.attn1.to_q", 8, 8, 4);
    const Applied applied = apply(made);
    return std::pair(
        applied.only(LoraPart::kUNet, block + "proj_in.weight").scale,
        applied.only(LoraPart::kUNet, block + "transformer_blocks.0.attn1.to_q.weight").scale);
  };
  EXPECT_EQ(scales(R"({"unet.r": 4})"), std::pair(1.0F, 1.0F));
  EXPECT_EQ(scales(R"({"unet.r": 4, "unet.lora_alpha": 8})"), std::pair(2.0F, 2.0F));
  EXPECT_EQ(scales(R"({"unet.lora_alpha": 8, "unet.alpha_pattern": {"to_q": 1}})"),
            std::pair(2.0F, 0.25F));
  EXPECT_EQ(scales(R"({"unet.lora_alpha": 8, "unet.use_rslora": true})"), std::pair(4.0F, 4.0F));
  EXPECT_EQ(scales(R"({"text_encoder.lora_alpha": 8})"), std::pair(1.0F, 1.0F));
  EXPECT_EQ(scales(R"({"lora_alpha": 8})"), std::pair(2.0F, 2.0F));
}

TEST(Lora, NamesWhatTheModelDoesNotHave) {
  MadeLora made;
  made.add_pair(kProjIn, 8, 8).add_pair("lora_unet_input_blocks_9_9_proj_in", 8, 8);
  made.add(kProjIn + ".bias_values", {3}).add("lora_te1_text_model_final_layer_norm.w_norm", {6});
  made.add(kQuery + ".alpha", {}, 2).add_pair(kQuery, 8, 8).add(kQuery + ".diff_b", {8});
  const Applied applied = apply(made);
  EXPECT_EQ(applied.match.layers, 2U);
  EXPECT_EQ(applied.match.unmatched,
            (std::vector<std::string>{"lora_te1_text_model_final_layer_norm", kQuery + ": bias",
                                      "lora_unet_input_blocks_4_1_proj_in.bias_values",
                                      "lora_unet_input_blocks_9_9_proj_in"}));
}

/// diffusers drops the original names of such a file.
TEST(Lora, AppliesALayerOnceThatIsThereUnderBothNames) {
  MadeLora made;
  made.add_pair(kProjIn, 8, 8, 3);
  made.add_pair("lora_unet_down_blocks_1_attentions_0_proj_in", 8, 8, 2);
  const Applied applied = apply(made);
  EXPECT_EQ(applied.match.layers, 1U);
  EXPECT_EQ(applied.match.unmatched, std::vector<std::string>{kProjIn});
  EXPECT_EQ(
      applied.only(LoraPart::kUNet, "unet.down_blocks.1.attentions.0.proj_in.weight").first.rank,
      2);
}

TEST(Lora, OfStrengthZeroIsCheckedButNotApplied) {
  MadeLora made;
  made.add_pair(kProjIn, 8, 8);
  made.add_pair("lora_te1_text_model_encoder_layers_0_self_attn_q_proj", 6, 6);
  const Applied applied = apply(made, {.unet = 0, .text = 1});
  EXPECT_EQ(applied.match.layers, 2U);
  EXPECT_TRUE(applied.patches[0].empty());
  EXPECT_EQ(applied.patches[1].size(), 1U);
}

TEST(Lora, RefusesOtherModels) {
  MadeLora flux;
  flux.add_pair("lora_unet_double_blocks_0_img_attn_qkv", 8, 8);
  flux.add_pair("lora_te1_text_model_encoder_layers_0_self_attn_q_proj", 6, 6);
  EXPECT_EQ(refusal(flux),
            "argument: cannot use the LoRA style.safetensors: it is for Flux "
            "(lora_unet_double_blocks_0_img_attn_qkv)\n  this program needs a LoRA for SDXL");
  MadeLora peft_flux;
  peft_flux.add("transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", {2, 8});
  EXPECT_ERROR([&] { apply(peft_flux); }, "it is for Flux");
  MadeLora sd3;
  sd3.add_pair("lora_unet_joint_blocks_0_x_block_attn_qkv", 8, 8);
  EXPECT_ERROR([&] { apply(sd3); }, "it is for Stable Diffusion 3");
  MadeLora transformer;
  transformer.add("transformer.blocks.0.q.lora_A.weight", {2, 8});
  EXPECT_ERROR([&] { apply(transformer); },
               "it is for a transformer such as Flux or Stable Diffusion 3");
  MadeLora sd1;
  sd1.add_pair("lora_te_text_model_encoder_layers_0_self_attn_q_proj", 6, 6);
  sd1.add_pair("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", 8, 768);
  EXPECT_EQ(refusal(sd1),
            "argument: cannot use the LoRA style.safetensors: it is for Stable Diffusion 1 "
            "(lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k reads a text of "
            "width 768, the model's is 16)\n  this program needs a LoRA for SDXL");
  MadeLora sd2;
  sd2.add_pair("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_v", 8, 1024);
  EXPECT_ERROR([&] { apply(sd2); }, "it is for Stable Diffusion 2");
  MadeLora said;
  said.add_pair("lora_te1_text_model_encoder_layers_0_self_attn_q_proj", 6, 6);
  said.metadata("ss_base_model_version", "sd_v1");
  EXPECT_ERROR([&] { apply(said); }, "it is for sd_v1 (its metadata says so)");
  for (const char* fine : {"sdxl_base_v1-0", "stable-diffusion-xl-v1-base/lora", "SDXL 1.0"}) {
    EXPECT_EQ(apply(said.metadata("ss_base_model_version", fine)).match.layers, 1U);
  }
  MadeLora nothing;
  nothing.add_pair("lora_unet_input_blocks_9_9_proj_in", 8, 8);
  EXPECT_EQ(refusal(nothing),
            "argument: cannot use the LoRA style.safetensors: the model has none of its 1 layers, "
            "such as lora_unet_input_blocks_9_9_proj_in\n  this program needs a LoRA for SDXL");
  EXPECT_ERROR([&] { apply(MadeLora()); }, "the model has none of its 0 layers\n");
}

TEST(Lora, RefusesKindsThatAreNotSupported) {
  for (const auto& [suffix, kind] : {std::pair<const char*, const char*>{".on_input", "IA3"},
                                     {".oft_blocks", "OFT"},
                                     {".a1.weight", "GLoRA"}}) {
    MadeLora made;
    made.add_pair(kProjIn, 8, 8).add(kProjIn + suffix, {1});
    EXPECT_EQ(refusal(made),
              fmt::format("argument: cannot use the LoRA style.safetensors: its kind, {}, is not "
                          "supported ({}{})\n  supported are LoRA, LoHa, LoKr, DoRA and full "
                          "differences",
                          kind, kProjIn, suffix));
  }
}

TEST(Lora, RefusesFactorsThatDoNotFit) {
  const std::string weight = "unet.down_blocks.1.attentions.0.proj_in.weight";
  const auto made = [&](const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& all,
                        const std::string& layer = kProjIn) {
    MadeLora lora;
    for (const auto& [role, shape] : all) lora.add(layer + role, shape);
    return refusal(lora);
  };
  EXPECT_EQ(made({{".lora_up.weight", {8, 2}}, {".lora_down.weight", {2, 9}}}),
            "shape: cannot use the LoRA style.safetensors: " + kProjIn +
                ": the product of its factors is [8,9], which does not fit the weight " + weight +
                " [8,8]\n  is it for another model?");
  EXPECT_EQ(made({{".lora_up.weight", {8, 3}}, {".lora_down.weight", {2, 8}}}),
            "shape: cannot use the LoRA style.safetensors: " + kProjIn +
                ": its factors [8,3] and [2,8] do not have the same rank");
  EXPECT_EQ(made({{".lora_up.weight", {8, 0}}, {".lora_down.weight", {0, 8}}}),
            "corrupt: cannot use the LoRA style.safetensors: " + kProjIn + ": its rank is 0");
  EXPECT_NE(made({{".lora_up.weight", {8, 9000}}, {".lora_down.weight", {9000, 8}}})
                .find("its rank is 9000, expected at most 8192"),
            std::string::npos);
  EXPECT_EQ(made({{".lora_up.weight", {8, 2}}}),
            "corrupt: cannot use the LoRA style.safetensors: " + kProjIn +
                ": it has no down factor (lora_down, lora_A)");
  EXPECT_NE(made({{".lora_down.weight", {2, 8}}}).find("it has no up factor"), std::string::npos);
  EXPECT_NE(made({{".lora_up.weight", {8, 2}},
                  {".lora_down.weight", {2, 8}},
                  {".lora_mid.weight", {2, 2, 3, 3}}})
                .find("the middle factor is [2,2,3,3], which does not fit"),
            std::string::npos);
  EXPECT_NE(made({{".lora_up.weight", {}}, {".lora_down.weight", {2, 8}}}).find("a factor is"),
            std::string::npos);
  EXPECT_NE(made({{".hada_w1_a", {8, 2}}, {".hada_w1_b", {2, 8}}}).find("it has no hada_w2_a"),
            std::string::npos);
  EXPECT_NE(made({{".hada_w1_a", {8, 2}}, {".hada_w1_b", {2, 8}}, {".hada_t1", {2, 2}}})
                .find("it has no hada_t2"),
            std::string::npos);
  EXPECT_EQ(made({{".lokr_w1", {2, 3}}, {".lokr_w2", {4, 2}}}),
            "shape: cannot use the LoRA style.safetensors: " + kProjIn +
                ": the Kronecker product of [2,3] and [4,2] does not fit the weight " + weight +
                " [8,8]\n  is it for another model?");
  EXPECT_NE(made({{".lokr_w1", {2, 2}}}).find("it has no lokr_w2 or lokr_w2_a"), std::string::npos);
  EXPECT_NE(made({{".lokr_w1", {0, 2}}, {".lokr_w2", {4, 4}}}).find("does not fit"),
            std::string::npos);
  EXPECT_NE(made({{".diff", {8, 7}}}).find("its difference is [8,7], which does not fit"),
            std::string::npos);
  EXPECT_NE(made({{".diff", {8, 8}}, {".diff_b", {7}}}).find("its bias's difference is [7,1]"),
            std::string::npos);
  EXPECT_NE(made({{".diff", {8, 8}}, {".lokr_w1", {2, 2}}, {".lokr_w2", {4, 4}}})
                .find("it is of several kinds"),
            std::string::npos);
  EXPECT_NE(
      made({{".lora_up.weight", {8, 2}}, {".lora_down.weight", {2, 8}}, {".dora_scale", {1, 9}}})
          .find("its norm is [1,9], which does not fit"),
      std::string::npos);
  EXPECT_NE(
      made({{".w_norm", {8}}, {".dora_scale", {8}}}, "lora_unet_down_blocks_1_attentions_0_norm")
          .find("its norm is [8], which does not fit"),
      std::string::npos);
}

TEST(Lora, RefusesStrangeNumbers) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  MadeLora made;
  made.add_pair(kProjIn, 8, 8);
  EXPECT_EQ(refusal(MadeLora(made).add(kProjIn + ".alpha", {}, kNan)),
            "corrupt: cannot use the LoRA style.safetensors: " + kProjIn +
                ".alpha must be a finite number, got nan");
  EXPECT_EQ(refusal(MadeLora(made).add(kProjIn + ".alpha", {2}, 1)),
            "corrupt: cannot use the LoRA style.safetensors: " + kProjIn +
                ".alpha must be one number, got [2]");
  check_numbers(read_lora(made.file()), {});
  for (const float strange : {kNan, std::numeric_limits<float>::infinity()}) {
    const auto file = MadeLora(made).add(kProjIn + ".lora_up.weight", {8, 2}, strange).file();
    EXPECT_EQ(
        error_of([&] { check_numbers(read_lora(file), {}); }),
        "corrupt: cannot use the LoRA style.safetensors: a factor of " + kProjIn +
            " has a number that is not finite\n  its training failed, or the file is damaged");
  }
  EXPECT_EQ(error_of([&] {
              check_numbers(read_lora(made.file()),
                            [] { fail(ErrorKind::kCancelled, "cancelled"); });
            }),
            "cancelled: cancelled");
}

TEST(LoraFile, RefusesWhatIsNotALora) {
  MadeLora many;
  for (std::size_t i = 0; i <= kMostLoraTensors; ++i) many.add(fmt::format("t{}.alpha", i), {});
  EXPECT_EQ(
      refusal(many),
      "corrupt: cannot use the LoRA style.safetensors: it has 40001 tensors, expected at most "
      "40000\n  is this a whole model?");
  // A million names.
  const std::string header = "{" + std::string(std::size_t{17} << 20, ' ') + "}";
  EXPECT_EQ(
      error_of(
          [&] { read_lora(testing::file_of(testing::little_endian(header.size(), 8) + header)); }),
      "corrupt: cannot use the LoRA made.file: its header has 17825794 bytes, expected at most "
      "16777216\n  a LoRA for SDXL has some thousand tensors: is this a whole model?");
  EXPECT_ERROR([] { read_lora(testing::file_of("hello")); }, "cannot read made.file");
  EXPECT_ERROR([] { open_lora("/nowhere/film.safetensors"); }, "missing: cannot open");
  MadeLora twice;
  twice.add_pair(kProjIn, 8, 8).add(kProjIn + ".lora_A.weight", {2, 8});
  EXPECT_ERROR([&] { apply(twice); }, "is there under two names");
  for (const char* wrong : {"[]", "{", R"({"unet.lora_alpha": "many"})",
                            R"({"unet.alpha_pattern": 5})", R"({"unet.use_rslora": 1})"}) {
    MadeLora made;
    made.add_pair(kProjIn, 8, 8).metadata("lora_adapter_metadata", wrong);
    EXPECT_ERROR([&] { apply(made); }, "cannot read style.safetensors: lora_adapter_metadata");
  }
}

}  // namespace
}  // namespace semblance
