// CLIP text encoders: CLIP-L and OpenCLIP bigG in transformers' names
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
  std::int64_t end_id = 49407;  // token at whose (first) place the pooled vector is taken; 2 in old
                                // configs, which stands for the place of the highest id
  float eps = 1e-5F;
  UnaryFn activation = UnaryFn::kQuickGelu;
};
/// From text_encoder/config.json. Throws what Json's getters throw.
ClipConfig clip_config(const Json& json);

/// Position of a sequence's end-of-text token, where the pooled vector is taken.
std::int32_t end_position(const ClipConfig& config, std::span<const std::int32_t> ids);

struct ClipOutputs {
  Value hidden;                 // [n,l,width] f32: a hidden state, without the final norm
  std::optional<Value> pooled;  // [n,projection] f32
};
/// ids i32 [n,l], l up to the config's length; ends i32 [n], or none for an encoder whose pooled
/// vector is not used (layers whose result nothing needs are then not computed). The hidden state
/// of the last text is taken `skip` layers, up to layers - 1, before the second-to-last; of those
/// in front, the negative prompt, it is always the second-to-last: as diffusers' clip_skip.
ClipOutputs clip_text(const Scope& s, const ClipConfig& config, Value ids,
                      std::optional<Value> ends, std::int64_t skip = 0);

/// Tensors of a file that an encoder without pooled vector leaves unread, as patterns for the
/// audit.
std::vector<std::string> clip_unread(const ClipConfig& config);

}  // namespace semblance
