// The denoiser for one step: SDXL's UNet, with IdentityNet's residuals and the face adapter.
//
// Sources: diffusers' UNet2DConditionModel and ControlNetModel (docs/reference.md, 2 and 3.8).
// Pictures are [n,h,w,c], n = 2 with guidance (unconditional first), else 1. Names: the UNet's are
// under "unet.", IdentityNet's under "identitynet.", the adapter's under "ip_adapter.".
#pragma once

#include <optional>
#include <vector>

#include "graph/builder.h"
#include "models/unet_config.h"

namespace semblance {

/// Inputs of both networks, f32.
struct StepInputs {
  Value latent;    // [n,h,w,4], scaled by the scheduler
  Value timestep;  // [n]
  Value pooled;    // [n,pooled]
  Value time_ids;  // [n*6]
};

/// Turns the keypoint picture, f32 [1,8h,8w,3] in 0..1, into IdentityNet's first features,
/// [1,h,w,c] in `dtype`. The same at every step.
Value conditioning_embedding(const Scope& s, const UNetConfig& config, Value picture, DType dtype);

/// IdentityNet's residuals, shallow to deep, then the mid block's; in `dtype`, not yet scaled.
/// `tokens` are the face tokens, [n,16,cross]; `conditioning` comes from conditioning_embedding().
std::vector<Value> identitynet(const Scope& s, const UNetConfig& config, const StepInputs& inputs,
                               Value tokens, Value conditioning, DType dtype);

struct IdentityInputs {
  Scope scope;
  const UNetConfig* config;
  Value conditioning;
  float strength;
};
struct AdapterInputs {
  Scope scope;  // the one that contains "1.to_k_ip.weight"
  float strength;
};

/// The predicted noise (or v), f32 [n,h,w,4]. `text` [n,l,cross]; `face` [n,16,cross]; IdentityNet
/// and the adapter may each be off.
Value unet(const Scope& s, const UNetConfig& config, const StepInputs& inputs, Value text,
           Value face, const std::optional<IdentityInputs>& identity,
           const std::optional<AdapterInputs>& adapter, DType dtype);

}  // namespace semblance
