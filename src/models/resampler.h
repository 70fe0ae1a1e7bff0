// The face adapter's Perceiver resampler: turns a face embedding into face tokens. Source:
// Resampler in the published InstantID pipeline (docs/reference.md, 2). Names: "latents",
// "layers.0.0.to_q"...
#pragma once

#include "graph/builder.h"
#include "weights/weight_map.h"

namespace semblance {

struct ResamplerConfig {
  std::int64_t tokens = 16, width = 1280, depth = 4, heads = 20, embedding = 512, output = 2048,
               feed_forward = 5120;
};
/// Reads the sizes from the shapes of `<prefix>latents`, `<prefix>proj_in.weight` and so on. The
/// head width, which no shape shows, is 64. Throws Error(kMissing) or Error(kShape).
ResamplerConfig resampler_config(const WeightMap& weights, const std::string& prefix);

/// embeddings f32 [n,embedding], a sequence of n photos -> face tokens f32 [1,tokens,output].
Value resampler(const Scope& s, const ResamplerConfig& config, Value embeddings);

}  // namespace semblance
