// SDXL's original names, used by single-file checkpoints, without their prefixes
// (weights/single_file.h). Sources: diffusers' loaders/single_file_utils.py, ComfyUI's
// comfy/utils.py, stable-diffusion.cpp's name_conversion.cpp.
#pragma once

#include "weights/name_table.h"

namespace semblance {

inline constexpr NameRow kOriginalUNetNames[] = {
    {"time_embed.0.*", "time_embed.0.", "time_embedding.linear_1."},
    {"time_embed.2.*", "time_embed.2.", "time_embedding.linear_2."},
    {"label_emb.0.0.*", "label_emb.0.0.", "add_embedding.linear_1."},
    {"label_emb.0.2.*", "label_emb.0.2.", "add_embedding.linear_2."},
    {"input_blocks.0.0.*", "input_blocks.0.0.", "conv_in."},
    {"out.0.*", "out.0.", "conv_norm_out."},
    {"out.2.*", "out.2.", "conv_out."},
    {"input_blocks.*", "input_blocks.{in}.0.op.", "down_blocks.{level}.downsamplers.0.conv."},
    {"input_blocks.*", "input_blocks.{in}.0.", "down_blocks.{level}.resnets.{place}."},
    {"input_blocks.*", "input_blocks.{in}.1.", "down_blocks.{level}.attentions.{place}."},
    {"middle_block.0.*", "middle_block.0.", "mid_block.resnets.0."},
    {"middle_block.1.*", "middle_block.1.", "mid_block.attentions.0."},
    {"middle_block.2.*", "middle_block.2.", "mid_block.resnets.1."},
    // In a level without transformers, the sampler has their place.
    {"output_blocks.*", "output_blocks.{out}.1.conv.", "up_blocks.{level}.upsamplers.0.conv."},
    {"output_blocks.*", "output_blocks.{out}.2.conv.", "up_blocks.{level}.upsamplers.0.conv."},
    {"output_blocks.*", "output_blocks.{out}.0.", "up_blocks.{level}.resnets.{place}."},
    {"output_blocks.*", "output_blocks.{out}.1.", "up_blocks.{level}.attentions.{place}."},
    {"*.resnets.*", ".in_layers.0.", ".norm1."},
    {"*.resnets.*", ".in_layers.2.", ".conv1."},
    {"*.resnets.*", ".emb_layers.1.", ".time_emb_proj."},
    {"*.resnets.*", ".out_layers.0.", ".norm2."},
    {"*.resnets.*", ".out_layers.3.", ".conv2."},
    {"*.resnets.*", ".skip_connection.", ".conv_shortcut."},
    // In SDXL they are linear layers; some writers keep Stable Diffusion 1's form.
    {"*.attentions.*.proj_in.weight", "", "", Change::kSqueeze},
    {"*.attentions.*.proj_out.weight", "", "", Change::kSqueeze},
};

/// What a ControlNet has beside a UNet's encoder. Apply kOriginalUNetNames after these.
inline constexpr NameRow kOriginalControlNetNames[] = {
    {"input_hint_block.0.*", "input_hint_block.0.", "controlnet_cond_embedding.conv_in."},
    {"input_hint_block.2.*", "input_hint_block.2.", "controlnet_cond_embedding.blocks.0."},
    {"input_hint_block.4.*", "input_hint_block.4.", "controlnet_cond_embedding.blocks.1."},
    {"input_hint_block.6.*", "input_hint_block.6.", "controlnet_cond_embedding.blocks.2."},
    {"input_hint_block.8.*", "input_hint_block.8.", "controlnet_cond_embedding.blocks.3."},
    {"input_hint_block.10.*", "input_hint_block.10.", "controlnet_cond_embedding.blocks.4."},
    {"input_hint_block.12.*", "input_hint_block.12.", "controlnet_cond_embedding.blocks.5."},
    {"input_hint_block.14.*", "input_hint_block.14.", "controlnet_cond_embedding.conv_out."},
    {"zero_convs.*", "zero_convs.", "controlnet_down_blocks."},
    {"controlnet_down_blocks.*.0.weight", ".0.weight", ".weight"},
    {"controlnet_down_blocks.*.0.bias", ".0.bias", ".bias"},
    {"middle_block_out.0.*", "middle_block_out.0.", "controlnet_mid_block."},
};

/// Apply kVaeNames after these.
inline constexpr NameRow kOriginalVaeNames[] = {
    {"encoder.down.*", "encoder.down.", "encoder.down_blocks."},
    {"decoder.up.*", "decoder.up.{up}.", "decoder.up_blocks.{level}."},
    {"*coder.*_blocks.*", ".block.", ".resnets."},
    {"*coder.*_blocks.*", ".downsample.", ".downsamplers.0."},
    {"*coder.*_blocks.*", ".upsample.", ".upsamplers.0."},
    {"*coder.mid.block_1.*", ".mid.block_1.", ".mid_block.resnets.0."},
    {"*coder.mid.block_2.*", ".mid.block_2.", ".mid_block.resnets.1."},
    {"*coder.mid.attn_1.*", ".mid.attn_1.", ".mid_block.attentions.0."},
    {"*.attentions.0.*", ".attentions.0.norm.", ".attentions.0.group_norm."},
    {"*.attentions.0.*", ".attentions.0.q.", ".attentions.0.to_q."},
    {"*.attentions.0.*", ".attentions.0.k.", ".attentions.0.to_k."},
    {"*.attentions.0.*", ".attentions.0.v.", ".attentions.0.to_v."},
    {"*.attentions.0.*", ".attentions.0.proj_out.", ".attentions.0.to_out.0."},
    {"*coder.norm_out.*", ".norm_out.", ".conv_norm_out."},
    {"*.nin_shortcut.*", ".nin_shortcut.", ".conv_shortcut."},
};

/// OpenCLIP's names, and stable-diffusion.cpp's versions of them; transformers' are unchanged.
/// Apply kTextEncoderNames after these.
inline constexpr NameRow kOriginalClipNames[] = {
    {"positional_embedding", "positional_embedding", "embeddings.position_embedding.weight"},
    {"token_embedding.weight", "token_embedding.", "embeddings.token_embedding."},
    {"ln_final.*", "ln_final.", "final_layer_norm."},
    {"transformer.resblocks.*", "transformer.resblocks.", "encoder.layers."},
    {"encoder.layers.*", ".ln_1.", ".layer_norm1."},
    {"encoder.layers.*", ".ln_2.", ".layer_norm2."},
    {"encoder.layers.*", ".mlp.c_fc.", ".mlp.fc1."},
    {"encoder.layers.*", ".mlp.c_proj.", ".mlp.fc2."},
    {"encoder.layers.*", ".attn.out_proj.", ".self_attn.out_proj."},
    {"*.attn.in_proj_weight", ".attn.in_proj_weight", ".self_attn.{q|k|v}_proj.weight",
     Change::kThirds},
    {"*.attn.in_proj_bias", ".attn.in_proj_bias", ".self_attn.{q|k|v}_proj.bias", Change::kThirds},
    {"*.self_attn.in_proj.*", ".in_proj.", ".{q|k|v}_proj.", Change::kThirds},
    // Without ".weight" it is OpenCLIP's matrix, which is transposed.
    {"text_model.text_projection", "text_model.", ""},
    {"text_model.text_projection.weight", "text_model.", ""},
    {"text_projection", "text_projection", "text_projection.weight", Change::kTranspose},
};

/// Tensors in a file that are not a model's weights: counters, computed buffers, tensors used only
/// in training, averaged weights (the others are used), and markers (identify.h).
inline constexpr std::string_view kNoWeights[] = {
    "*position_ids", "*num_batches_tracked",
    "*logit_scale",  "model_ema.*",
    "betas",         "*alphas_cumprod*",
    "posterior_*",   "loss.*",
    "visual.*",      "denoiser.sigmas",
    "edm_mean",      "edm_std",
    "edm_vpred.*",   "v_pred",
    "ztsnr",
};

}  // namespace semblance
