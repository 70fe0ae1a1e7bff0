// The audit: what a model declares against what the files hold, before any large read.
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

/// Names in published checkpoints that no model reads: counters and buffers that are computed.
inline constexpr std::string_view kComputedBuffers[] = {"*position_ids", "*num_batches_tracked"};

/// Returns when `weights` has every expected tensor, in its shape and with a float element type,
/// and nothing else. Otherwise throws ONE Error that lists missing, wrongly shaped, non-float and
/// left-over tensors together, the first few of each with their counts: kMissing when one is
/// missing, else kShape when a shape or a type is wrong, else kCorrupt. Names that match one of
/// `ignorable` ('*' stands for any characters) may be left over. `what` is for the message: "the
/// UNet in models/unet".
void audit(std::string_view what, std::span<const Expected> expected, const WeightMap& weights,
           std::span<const std::string_view> ignorable = {});

/// Whether `name` matches `pattern`, in which '*' stands for any characters, none included.
bool matches_pattern(std::string_view name, std::string_view pattern);

}  // namespace semblance
