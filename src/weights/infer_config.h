// Derives a component's config.json from its tensors' names and shapes, for files without one.
// Settings that no shape determines are SDXL's: groups of 32, heads of 64 channels, the activations
// of both encoders.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/json.h"
#include "weights/identify.h"
#include "weights/weight_map.h"

namespace semblance {

/// The config.json of `component` ("unet", "vae", "text_encoder", "text_encoder_2" or
/// "controlnet"); `weights` have diffusers' names. The UNet's and a ControlNet's tensors give only
/// the sum of the widths of the six time ids and the pooled text, so `pooled` is the width of the
/// second encoder's projection, 1280 if unknown. `name` is the file's name in messages. Throws
/// Error(kMissing), which names the missing tensor, and Error(kShape) if a tensor's number of axes
/// differs from SDXL's or sizes contradict each other.
Json infer_config(const std::string& name, std::string_view component, const WeightMap& weights,
                  std::optional<std::int64_t> pooled = {});

/// SDXL's scheduler_config.json with the file's prediction type and last step.
Json infer_scheduler(const std::string& name, const FileIdentity& identity);

}  // namespace semblance
