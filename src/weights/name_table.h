// Names used by other writers: a table for each renames a file's tensors to diffusers' names when
// it is opened. The rest of the code only sees those.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "weights/weight_map.h"

namespace semblance {

/// How a renamed tensor changes.
enum class Change : std::uint8_t {
  kNone,
  kSqueeze,    // [o,i,1,1] becomes [o,i]: a 1x1 convolution that is now a linear layer
  kTranspose,  // [i,o] becomes [o,i]
  kThirds,     // three tensors with a third of the rows each, named as in `to`: "{q|k|v}_proj"
};

/// For each tensor the rows are applied in turn, each to the name that the previous ones produced.
struct NameRow {
  std::string_view in;    // a pattern for whole names ('*' matches any characters)
  std::string_view from;  // its first occurrence is replaced; if empty, `to` is prepended
  std::string_view to;
  Change change = Change::kNone;
};

/// How a file numbers the blocks that diffusers counts by level: `from` has one of
///   {in}   1 + level * step + place, in an encoder
///   {out}  level * step + place, in a decoder
///   {up}   levels - 1 - level, in a decoder whose levels are counted from the picture's size
/// and {level} and {place} in `to` are filled in.
struct BlockNumbers {
  std::int64_t step = 3;
  std::int64_t levels = 4;
};

/// Throws Error(kCorrupt) if two tensors get the same name, if the rows of a tensor to be split in
/// three are not divisible by three, or if a tensor to be transposed is not a matrix.
WeightMap renamed(const WeightMap& weights, std::span<const NameRow> table,
                  const BlockNumbers& numbers = {});

/// A published CLIP text encoder. Newer versions of transformers omit "text_model." before
/// embeddings, encoder and final_layer_norm.
inline constexpr NameRow kTextEncoderNames[] = {
    {"embeddings.*", "", "text_model."},
    {"encoder.*", "", "text_model."},
    {"final_layer_norm.*", "", "text_model."},
};

/// The attention of a Union ControlNet's transformer.
inline constexpr NameRow kControlNetNames[] = {
    {"transformer_layes.*.attn.in_proj_weight", ".in_proj_weight", ".{q|k|v}_proj.weight",
     Change::kThirds},
    {"transformer_layes.*.attn.in_proj_bias", ".in_proj_bias", ".{q|k|v}_proj.bias",
     Change::kThirds},
};

/// A VAE's attention, which older checkpoints store as 1x1 convolutions under other names.
inline constexpr NameRow kVaeNames[] = {
    {"*.attentions.*.query.*", ".query.", ".to_q."},
    {"*.attentions.*.key.*", ".key.", ".to_k."},
    {"*.attentions.*.value.*", ".value.", ".to_v."},
    {"*.attentions.*.proj_attn.*", ".proj_attn.", ".to_out.0."},
    {"*.attentions.*", "", "", Change::kSqueeze},
};

}  // namespace semblance
