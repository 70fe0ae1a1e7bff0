// A component's config.json out of its tensors' names and shapes, for files that have none. What no
// shape tells is SDXL's: groups of 32, heads of 64 channels, the activations of both encoders.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/json.h"
#include "weights/identify.h"
#include "weights/weight_map.h"

namespace semblance {

/// What `component` ("unet", "vae", "text_encoder" or "text_encoder_2") would have as config.json;
/// `weights` have diffusers' names. Of the six time ids' and the pooled text's common width the
/// UNet's tensors tell the sum alone: `pooled` is the second encoder's projection, 1280 where it is
/// not known. `name` stands for the file in messages. Throws Error(kMissing) by the tensor that is
/// not there, Error(kShape) where one has another number of axes than SDXL's, or where sizes
/// contradict each other.
Json infer_config(const std::string& name, std::string_view component, const WeightMap& weights,
                  std::optional<std::int64_t> pooled = {});

/// scheduler_config.json of SDXL, with what the file says of its prediction and its last step.
Json infer_scheduler(const std::string& name, const FileIdentity& identity);

}  // namespace semblance
