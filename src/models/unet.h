// The denoiser for one step: SDXL's UNet, with the residuals of IdentityNet and other ControlNets,
// and the face adapter.
//
// Sources: diffusers' UNet2DConditionModel and ControlNetModel (docs/reference.md, 2 and 3.8).
// Pictures are [n,h,w,c], n = 2 with guidance (unconditional first), else 1. Names: the UNet's are
// under "unet.", IdentityNet's under "identitynet.", other ControlNets' under "control.N.", the
// adapter's under "ip_adapter.".
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
  /// [n]: 1000 (guidance - 1), for a UNet with guidance_channels.
  std::optional<Value> guidance = {};
  /// [1,h,w,5], for a UNet with UNetConfig::reads_masks(): the mask, and the latent of what it does
  /// not cover.
  std::optional<Value> masked = {};
};

/// The input "guidance" of a UNet that takes the guidance scale, f32 [n]; none for others.
std::optional<Value> guidance_input(const Scope& root, const UNetConfig& config, std::int64_t n);

/// The input "masked" of a UNet that reads masks, f32 [1,h,w,5]; none for others.
std::optional<Value> masked_input(const Scope& root, const UNetConfig& config, std::int64_t h,
                                  std::int64_t w);

/// Turns a ControlNet's picture, f32 [1,8h,8w,3] in 0..1, into its first features, [1,h,w,c] in
/// `dtype`; in f32 for a Union net. The same at every step. `type`: of the picture, for a Union
/// net.
Value conditioning_embedding(const Scope& s, const UNetConfig& config, Value picture, DType dtype,
                             int type = 0);

/// The size of the features at each level, from the latent's down.
struct LevelSize {
  std::int64_t h, w;
};
std::vector<LevelSize> level_sizes(const UNetConfig& config, std::int64_t h, std::int64_t w);

/// IdentityNet or another ControlNet in a step.
struct ControlInputs {
  Scope scope;
  const UNetConfig* config;
  Value conditioning;  // from conditioning_embedding(); [1,h,w,c] or one for each picture
  Value tokens;        // [n,l,cross]: the face tokens for IdentityNet, the text for others
  float strength;
  int type = 0;  // of the picture, for a Union net
  /// The residuals of each picture are also multiplied by this, [n,1,1,1] in their type.
  std::optional<Value> weights = {};
  /// And by these, by level: [1,h,w,1] or [n,h,w,1]. Empty for none.
  std::vector<Value> masks = {};
};

/// A ControlNet's residuals, shallow to deep, then the mid block's; in `dtype`, not yet scaled.
std::vector<Value> control_residuals(const ControlInputs& control, const StepInputs& inputs,
                                     DType dtype);

/// One of the people whose face tokens the UNet reads.
struct AdapterPerson {
  std::int64_t begin, end;  // of its tokens in `face`
  float strength;
  /// Where it is, by level, [1,h*w,1] in the type that is computed in. Empty: everywhere.
  std::vector<Value> masks = {};
};

struct AdapterInputs {
  Scope scope;  // the one that contains "1.to_k_ip.weight"
  std::vector<AdapterPerson> people;
};

/// Changes to the published computation; none by default.
struct UNetOptions {
  /// FreeU (Si et al. 2023, arXiv 2309.11497) with its authors' factors for SDXL: in the first two
  /// up blocks half of the features are strengthened and the skips' low frequencies weakened.
  bool freeu = false;
  /// Perturbed attention guidance (Ahn et al. 2024, arXiv 2403.17377): computes this many of the
  /// last pictures of the batch once more, with the mid block's self-attention replaced by the
  /// identity. The results have as many more pictures.
  std::int64_t perturbed = 0;
};

struct UNetOutputs {
  Value noise;  // or v: f32 [n,h,w,4]
  /// The features that enter the last residual block, [n,h,w,channels[0]] in `dtype`: all that
  /// unet_from_deep() needs of the deeper levels.
  Value deep;
};

/// `text` [n,l,cross]; `face` [n,l,cross], the adapter's. The residuals of all `controls` add up;
/// they are computed one after the other.
UNetOutputs unet(const Scope& s, const UNetConfig& config, const StepInputs& inputs, Value text,
                 Value face, const std::vector<ControlInputs>& controls,
                 const std::optional<AdapterInputs>& adapter, DType dtype,
                 const UNetOptions& options = {});

/// The noise from the deep features of an earlier step: only the outermost level is computed
/// (DeepCache: Ma et al. 2023, arXiv 2312.00858; its branch 0). `deep` has `options.perturbed` more
/// pictures, as the result.
Value unet_from_deep(const Scope& s, const UNetConfig& config, const StepInputs& inputs, Value text,
                     Value face, const std::vector<ControlInputs>& controls,
                     const std::optional<AdapterInputs>& adapter, Value deep, DType dtype,
                     const UNetOptions& options = {});

}  // namespace semblance
