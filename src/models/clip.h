// CLIP text encoders: CLIP-L and OpenCLIP bigG with transformers' names
// ("text_model.encoder.layers.0..."). Source: transformers' CLIPTextModel and
// CLIPTextModelWithProjection; docs/reference.md, section 2.
#pragma once

#include <string_view>
#include <vector>

#include "core/json.h"
#include "graph/builder.h"

namespace semblance {

struct ClipConfig {
  std::int64_t vocab_size, width, feed_forward, layers, heads, length;
  std::int64_t projection = 0;  // channels of text_projection
  std::int64_t end_id = 49407;  // the pooled vector is taken at the first such token; 2 in old
                                // configs means the position of the highest id
  float eps = 1e-5F;
  UnaryFn activation = UnaryFn::kQuickGelu;
};
/// Reads text_encoder/config.json. Throws what Json's getters throw.
ClipConfig clip_config(const Json& json);

/// The position of a sequence's end-of-text token, where the pooled vector is taken.
std::int32_t end_position(const ClipConfig& config, std::span<const std::int32_t> ids);

/// Vectors in place of tokens' embeddings (textual inversion): embedding * keep + vectors.
struct TokenVectors {
  Value vectors;  // [n,l,width] f32
  Value keep;     // [n,l,1] f32: 0 where a vector stands, else 1
};

struct ClipOutputs {
  Value hidden;                 // [n,l,width] f32: a hidden state, without the final norm
  std::optional<Value> pooled;  // [n,projection] f32
};
/// ids i32 [n,l], l up to the config's length; ends i32 [n], or none for an encoder whose pooled
/// vector is not used (then unneeded layers are not computed). The hidden state of the last text is
/// taken `skip` layers, up to layers - 1, before the second-to-last; for the texts before it (the
/// negative prompt) always from the second-to-last: like diffusers' clip_skip.
/// `vectors` stand in place of some tokens' embeddings.
ClipOutputs clip_text(const Scope& s, const ClipConfig& config, Value ids,
                      std::optional<Value> ends, std::int64_t skip = 0,
                      const std::optional<TokenVectors>& vectors = {});

/// The tensors of a file that an encoder without a pooled vector does not read, as patterns for the
/// audit.
std::vector<std::string> clip_unread(const ClipConfig& config);

}  // namespace semblance
