// A small model for tests and the fuzz target of LoRA files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weights/lora_names.h"

namespace semblance::testing {

struct SmallLayer {
  LoraPart part;
  std::string module;
  Shape shape;
  bool has_bias;
};

/// Some layers of SDXL, narrow: text of width 16, blocks of width 8.
inline const std::vector<SmallLayer>& small_layers() {
  using enum LoraPart;
  static const std::string block = "down_blocks.1.attentions.0.";
  static const std::vector<SmallLayer> layers{
      {kUNet, "conv_in", {8, 4, 3, 3}, true},
      {kUNet, "time_embedding.linear_1", {8, 8}, true},
      {kUNet, "add_embedding.linear_2", {8, 8}, true},
      {kUNet, "down_blocks.0.resnets.1.conv1", {8, 8, 3, 3}, true},
      {kUNet, "down_blocks.0.downsamplers.0.conv", {8, 8, 3, 3}, true},
      {kUNet, block + "proj_in", {8, 8}, true},
      {kUNet, block + "transformer_blocks.0.attn1.to_q", {8, 8}, false},
      {kUNet, block + "transformer_blocks.0.attn1.to_out.0", {8, 8}, true},
      {kUNet, block + "transformer_blocks.0.attn2.to_k", {8, 16}, false},
      {kUNet, block + "norm", {8}, true},
      {kUNet, "mid_block.resnets.1.time_emb_proj", {8, 8}, true},
      {kUNet, "mid_block.attentions.0.proj_out", {8, 8}, true},
      {kUNet, "up_blocks.0.upsamplers.0.conv", {8, 8, 3, 3}, true},
      {kUNet, "up_blocks.2.resnets.2.conv_shortcut", {8, 16, 1, 1}, true},
      {kUNet, "conv_out", {4, 8, 3, 3}, true},
      {kTextEncoder1, "text_model.encoder.layers.0.self_attn.q_proj", {6, 6}, true},
      {kTextEncoder1, "text_model.embeddings.token_embedding", {50, 6}, false},
      {kTextEncoder2, "text_model.encoder.layers.0.mlp.fc1", {12, 10}, true},
      {kTextEncoder2, "text_projection", {10, 10}, false},
  };
  return layers;
}

inline std::string small_name(const SmallLayer& layer) {
  return (layer.part == LoraPart::kUNet ? "unet." : "") + layer.module;
}

inline LoraNames small_model() {
  LoraNames names({2, 2, 2}, {true, true, false});
  for (const SmallLayer& layer : small_layers()) {
    const std::string_view prefix = layer.part == LoraPart::kUNet ? "unet." : "";
    names.add(layer.part, prefix, small_name(layer) + ".weight", layer.shape);
    if (layer.has_bias)
      names.add(layer.part, prefix, small_name(layer) + ".bias", Shape{layer.shape[0]});
  }
  return names;
}

/// The shape of a tensor of the model.
inline Shape small_shape(std::string_view tensor) {
  for (const SmallLayer& layer : small_layers()) {
    if (tensor == small_name(layer) + ".weight") return layer.shape;
    if (tensor == small_name(layer) + ".bias") return Shape{layer.shape[0]};
  }
  return {};
}

}  // namespace semblance::testing
