// Names of other writers: a table of rows for each, by which a file's tensors get diffusers' names
// when it is opened. All that comes after sees those alone.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "weights/weight_map.h"

namespace semblance {

/// What becomes of a tensor that a row renames.
enum class Change : std::uint8_t {
  kNone,
  kSqueeze,    // [o,i,1,1] becomes [o,i]: a 1x1 convolution that is a linear layer now
  kTranspose,  // [i,o] becomes [o,i]
  kThirds,     // three tensors of a third of the rows each; `to` has their names: "{q|k|v}_proj"
};

/// For each tensor the rows are tried in turn, each on the name that the ones before have made.
struct NameRow {
  std::string_view in;    // a pattern of whole names ('*' stands for any characters)
  std::string_view from;  // is replaced where it first stands; empty: `to` goes in front
  std::string_view to;
  Change change = Change::kNone;
};

/// How a file numbers what diffusers counts by level: `from` has one of
///   {in}   1 + level * step + place, of an encoder's blocks
///   {out}  level * step + place, of a decoder's
///   {up}   levels - 1 - level, of a decoder that is counted from the picture's size on
/// and `to` gets {level} and {place}.
struct BlockNumbers {
  std::int64_t step = 3;
  std::int64_t levels = 4;
};

/// Throws Error(kCorrupt) where two tensors get one name, or where a tensor that becomes three has
/// no three parts, or one that is turned is no matrix.
WeightMap renamed(const WeightMap& weights, std::span<const NameRow> table,
                  const BlockNumbers& numbers = {});

/// A CLIP text encoder as published. Newer versions of transformers leave out "text_model." in
/// front of embeddings, encoder and final_layer_norm.
inline constexpr NameRow kTextEncoderNames[] = {
    {"embeddings.*", "", "text_model."},
    {"encoder.*", "", "text_model."},
    {"final_layer_norm.*", "", "text_model."},
};

/// A VAE's attention, which older checkpoints have as 1x1 convolutions under other names.
inline constexpr NameRow kVaeNames[] = {
    {"*.attentions.*.query.*", ".query.", ".to_q."},
    {"*.attentions.*.key.*", ".key.", ".to_k."},
    {"*.attentions.*.value.*", ".value.", ".to_v."},
    {"*.attentions.*.proj_attn.*", ".proj_attn.", ".to_out.0."},
    {"*.attentions.*", "", "", Change::kSqueeze},
};

}  // namespace semblance
