// The blocks of the UNet and IdentityNet. Source: diffusers' unet_2d_blocks, attention,
// transformer_2d.
#pragma once

#include <functional>
#include <optional>

#include "graph/builder.h"
#include "models/unet.h"
#include "models/unet_config.h"

namespace semblance {

/// The faces' part in a cross-attention: attn(q, text) + the sum of strength * attn(q, tokens) *
/// mask over all people. See docs/reference.md, section 2, Adapter.
struct FaceContext {
  Value tokens;  // [n,l,cross], of all people
  AdapterInputs adapter;
};

/// Inputs of every block.
struct Context {
  Value time;    // silu of the time embedding, f32 [n,4c]
  Value tokens;  // for cross-attention: text [n,l,cross], or the face tokens in IdentityNet
  std::optional<FaceContext> face;  // in the UNet with the adapter on
  std::int64_t groups;
  float eps;
};

/// x [n,h,w,c] -> [n,h,w,channels].
Value resnet_block(const Scope& s, const Context& context, Value x, std::int64_t channels);
/// The same without a time embedding: the VAE's.
Value resnet_block(const Scope& s, Value x, std::int64_t channels, std::int64_t groups, float eps);

struct TransformerShape {
  std::int64_t heads;
  std::int64_t layers;
  bool linear_projection;
  int first_processor;  // the number of its first attention processor; there are 2 per layer, and
                        // cross-attentions have the odd ones
  std::size_t level = 0;
  std::int64_t perturbed = 0;  // self-attention is the identity for this many of the last pictures
};
/// A spatial transformer: x [n,h,w,c] -> the same shape.
Value transformer(const Scope& s, const Context& context, Value x, const TransformerShape& shape);

}  // namespace semblance
