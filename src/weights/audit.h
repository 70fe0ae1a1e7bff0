// The audit: checks the tensors in the files against those that a model declares, before any large
// read.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/shape.h"
#include "weights/weight_map.h"

namespace semblance {

struct Expected {
  std::string name;
  Shape shape;
};

/// Names in published checkpoints that no model reads: counters and computed buffers.
inline constexpr std::string_view kComputedBuffers[] = {"*position_ids", "*num_batches_tracked"};

/// Returns if `weights` has every expected tensor, with its shape and a float element type, and no
/// others. Otherwise throws ONE Error that lists missing, wrongly shaped, non-float and unexpected
/// tensors together, the first few of each with their counts: kMissing if one is missing, else
/// kShape if a shape or a type is wrong, else kCorrupt. Unexpected names that match one of
/// `ignorable` ('*' matches any characters) are allowed. `what` is for the message: "the UNet in
/// models/unet".
void audit(std::string_view what, std::span<const Expected> expected, const WeightMap& weights,
           std::span<const std::string_view> ignorable = {});

/// Whether `name` matches `pattern`, in which '*' matches any characters, or none.
bool matches_pattern(std::string_view name, std::string_view pattern);

}  // namespace semblance
