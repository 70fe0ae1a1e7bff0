// What a Union ControlNet (xinsir/controlnet-union-sdxl-1.0) has beside a ControlNet's layers: one
// net for several types of pictures, told which one by two embeddings. `config.control_types` is
// their number, `type` counts from 0.
//
// Source: diffusers' ControlNetUnionModel, for one picture. Its transformer attends over the batch,
// whose pictures have the same condition: with equal scores and values, attention gives the values.
// So its queries and keys are not read, and its result is the same at every step.
#pragma once

#include <string>
#include <vector>

#include "graph/builder.h"
#include "models/unet_config.h"

namespace semblance {

/// Added to the timestep's embedding: f32 [n,4c], for timestep f32 [n].
Value type_embedding(const Scope& s, const UNetConfig& config, Value timestep, int type);

/// The picture's first features with the transformer's result for their mean and the type added to
/// every pixel: [1,h,w,c] -> f32 [1,h,w,c].
Value add_type(const Scope& s, const UNetConfig& config, Value features, int type);

/// The tensors that are not read, as patterns for audit().
std::vector<std::string> union_unread();

}  // namespace semblance
