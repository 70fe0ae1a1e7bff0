// Names used by other writers: a table for each renames a file's tensors to diffusers' names when
// it is opened. The rest of the code only sees those.
#pragma once

#include <span>
#include <string_view>

#include "weights/weight_map.h"

namespace semblance {

/// For each tensor the rows are applied in turn, each to the name that the previous ones produced.
struct NameRow {
  std::string_view in;    // a pattern for whole names ('*' matches any characters)
  std::string_view from;  // its first occurrence is replaced; if empty, `to` is prepended
  std::string_view to;
  bool squeeze = false;  // [o,i,1,1] becomes [o,i]: a 1x1 convolution that is now a linear layer
};

/// Throws Error(kCorrupt) if two tensors get the same name.
WeightMap renamed(const WeightMap& weights, std::span<const NameRow> table);

/// A published CLIP text encoder. Newer versions of transformers omit "text_model." before
/// embeddings, encoder and final_layer_norm.
inline constexpr NameRow kTextEncoderNames[] = {
    {"embeddings.*", "", "text_model."},
    {"encoder.*", "", "text_model."},
    {"final_layer_norm.*", "", "text_model."},
};

/// A VAE's attention, which older checkpoints store as 1x1 convolutions under other names.
inline constexpr NameRow kVaeNames[] = {
    {"*.attentions.*.query.*", ".query.", ".to_q."},
    {"*.attentions.*.key.*", ".key.", ".to_k."},
    {"*.attentions.*.value.*", ".value.", ".to_v."},
    {"*.attentions.*.proj_attn.*", ".proj_attn.", ".to_out.0."},
    {"*.attentions.*", "", "", true},
};

}  // namespace semblance
