#include "models/unet_blocks.h"

#include "models/layers.h"

namespace semblance {
namespace {

/// For the norm of a transformer's input; the blocks' own differs (docs/reference.md, section 2).
constexpr float kTransformerEps = 1e-6F;

Value attend(const Scope& s, Value q, Value tokens, std::int64_t heads, std::string_view k_name,
             std::string_view v_name) {
  const std::int64_t channels = q.channels();
  return attention(q, linear_unbiased(s / k_name, tokens, channels),
                   linear_unbiased(s / v_name, tokens, channels), heads);
}

/// Self-attention, except for the batch's last pictures, whose values pass unchanged.
Value perturbed_attention(const Scope& s, Value normed, Value residual, std::int64_t heads,
                          std::int64_t perturbed) {
  const std::int64_t channels = normed.channels();
  const std::int64_t last = normed.shape()[0] - perturbed;
  const Value attended = slice(normed, 0, 0, last);
  const Value mixed =
      attend(s, linear_unbiased(s / "to_q", attended, channels), attended, heads, "to_k", "to_v");
  const Value values =
      linear_unbiased(s / "to_v", slice(normed, 0, last, last + perturbed), channels);
  return linear(s / "to_out" / 0, concat({mixed, values}, 0), channels, residual);
}

Value self_attention(const Scope& s, Value normed, Value residual, std::int64_t heads,
                     std::int64_t perturbed) {
  if (perturbed > 0) return perturbed_attention(s, normed, residual, heads, perturbed);
  const Value q = linear_unbiased(s / "to_q", normed, normed.channels());
  return linear(s / "to_out" / 0, attend(s, q, normed, heads, "to_k", "to_v"), normed.channels(),
                residual);
}

/// A range of the tokens.
Value tokens_of(Value tokens, std::int64_t begin, std::int64_t end) {
  return begin == 0 && end == tokens.shape()[1] ? tokens : slice(tokens, 1, begin, end);
}

Value cross_attention(const Scope& s, const Context& context, Value normed, Value residual,
                      const TransformerShape& shape, int processor) {
  const std::int64_t channels = normed.channels();
  const Value q = linear_unbiased(s / "to_q", normed, channels);
  Value mixed = attend(s, q, context.tokens, shape.heads, "to_k", "to_v");
  if (context.face) {
    const Scope adapter = context.face->adapter.scope / processor;
    const Value k = linear_unbiased(adapter / "to_k_ip", context.face->tokens, channels);
    const Value v = linear_unbiased(adapter / "to_v_ip", context.face->tokens, channels);
    for (const AdapterPerson& person : context.face->adapter.people) {
      Value face = attention(q, tokens_of(k, person.begin, person.end),
                             tokens_of(v, person.begin, person.end), shape.heads);
      if (!person.masks.empty()) face = face * person.masks[shape.level];
      mixed = add_scaled(mixed, face, person.strength);
    }
  }
  return linear(s / "to_out" / 0, mixed, normed.channels(), residual);
}

Value transformer_layer(const Scope& s, const Context& context, Value x,
                        const TransformerShape& shape, std::int64_t layer) {
  const std::int64_t channels = x.channels();
  const int processor = shape.first_processor + 2 * static_cast<int>(layer);
  x = self_attention(s / "attn1", layer_norm(s / "norm1", x), x, shape.heads, shape.perturbed);
  x = cross_attention(s / "attn2", context, layer_norm(s / "norm2", x), x, shape, processor + 1);
  const Scope feed_forward = s / "ff" / "net";
  const Value h =
      geglu(linear(feed_forward / 0 / "proj", layer_norm(s / "norm3", x), 8 * channels));
  return linear(feed_forward / 2, h, channels, x);
}

Value shortcut(const Scope& s, Value x, std::int64_t channels) {
  return x.channels() == channels ? x : conv1x1(s / "conv_shortcut", x, channels);
}

}  // namespace

Value resnet_block(const Scope& s, const Context& context, Value x, std::int64_t channels) {
  Value h =
      conv3x3(s / "conv1", group_norm(s / "norm1", x, context.groups, context.eps, true), channels);
  h = h + over_pixels(convert(linear(s / "time_emb_proj", context.time, channels), x.dtype()));
  h = group_norm(s / "norm2", h, context.groups, context.eps, true);
  return conv3x3(s / "conv2", h, channels, shortcut(s, x, channels));
}

Value resnet_block(const Scope& s, Value x, std::int64_t channels, std::int64_t groups, float eps) {
  Value h = conv3x3(s / "conv1", group_norm(s / "norm1", x, groups, eps, true), channels);
  h = group_norm(s / "norm2", h, groups, eps, true);
  return conv3x3(s / "conv2", h, channels, shortcut(s, x, channels));
}

Value transformer(const Scope& s, const Context& context, Value x, const TransformerShape& shape) {
  const std::int64_t h = x.shape()[1];
  const std::int64_t w = x.shape()[2];
  const std::int64_t channels = x.channels();
  Value y = group_norm(s / "norm", x, context.groups, kTransformerEps, false);
  y = shape.linear_projection ? linear(s / "proj_in", as_sequence(y), channels)
                              : as_sequence(conv1x1(s / "proj_in", y, channels));
  for (std::int64_t i = 0; i < shape.layers; ++i)
    y = transformer_layer(s / "transformer_blocks" / i, context, y, shape, i);
  return shape.linear_projection
             ? as_picture(linear(s / "proj_out", y, channels, as_sequence(x)), h, w)
             : conv1x1(s / "proj_out", as_picture(y, h, w), channels, x);
}

}  // namespace semblance
