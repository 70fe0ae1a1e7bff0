#include "models/unet.h"

#include <array>

#include "models/control_union.h"
#include "models/layers.h"
#include "models/unet_blocks.h"

namespace semblance {
namespace {

/// silu of the sum of the embeddings of the timestep and the added conditions, f32 [n,4c]. `type`:
/// for a Union ControlNet.
Value time_embedding(const Scope& s, const UNetConfig& config, const StepInputs& inputs,
                     int type = 0) {
  const std::int64_t n = inputs.timestep.shape()[0];
  const std::int64_t channels = config.time_channels();
  Value steps = apply(Sinusoid{config.channels[0], config.flip_sin_to_cos, config.freq_shift},
                      {inputs.timestep});
  if (config.guidance_channels > 0 && inputs.guidance) {
    const Value guidance = apply(Sinusoid{config.guidance_channels, false, 1}, {*inputs.guidance});
    steps =
        linear_unbiased(s / "time_embedding" / "cond_proj", guidance, config.channels[0], steps);
  }
  const Value ids =
      apply(Sinusoid{config.time_id_channels, config.flip_sin_to_cos, config.freq_shift},
            {inputs.time_ids});
  const Value added = concat({inputs.pooled, reshape(ids, {n, 6 * config.time_id_channels})}, -1);
  Value sum = embedding_layers(s / "time_embedding", steps, channels);
  if (config.control_types > 0) sum = sum + type_embedding(s, config, inputs.timestep, type);
  return silu(sum + embedding_layers(s / "add_embedding", added, channels));
}

/// Numbers attention processors in the adapter's order: down blocks, up blocks, mid block.
struct Processors {
  int next_down = 0;
  int next_up = 0;
  int next_mid = 0;

  explicit Processors(const UNetConfig& config) {
    int down = 0;
    int up = 0;
    const auto levels = config.channels.size();
    for (std::size_t i = 0; i < levels; ++i) {
      if (config.down_attention[i])
        down += static_cast<int>(2 * config.layers[i] * config.transformer_layers[i]);
      const std::size_t level = levels - 1 - i;
      if (!config.up_attention.empty() && config.up_attention[i]) {
        up += static_cast<int>(2 * (config.layers[level] + 1) * config.transformer_layers[level]);
      }
    }
    next_up = down;
    next_mid = down + up;
  }
};

TransformerShape shape_of(const UNetConfig& config, std::size_t level, int& next_processor) {
  const TransformerShape shape{config.heads[level], config.transformer_layers[level],
                               config.linear_projection, next_processor, level};
  next_processor += static_cast<int>(2 * shape.layers);
  return shape;
}

/// Down blocks: all states that the decoder will use, shallow to deep; the last one is the result.
std::vector<Value> down_blocks(const Scope& s, const UNetConfig& config, const Context& context,
                               Value x, Processors& processors) {
  std::vector<Value> states{x};
  for (std::size_t level = 0; level < config.channels.size(); ++level) {
    const Scope block = s / "down_blocks" / static_cast<std::int64_t>(level);
    for (std::int64_t i = 0; i < config.layers[level]; ++i) {
      x = resnet_block(block / "resnets" / i, context, x, config.channels[level]);
      if (config.down_attention[level]) {
        x = transformer(block / "attentions" / i, context, x,
                        shape_of(config, level, processors.next_down));
      }
      states.push_back(x);
    }
    if (level + 1 < config.channels.size()) {
      const std::int64_t before =
          config.downsample_padding;  // unpadded convolutions get a row and a column at the end
      x = conv3x3(block / "downsamplers" / 0 / "conv", x, config.channels[level], 2,
                  {before, before, 1, 1});
      states.push_back(x);
    }
  }
  return states;
}

Value mid_block(const Scope& s, const UNetConfig& config, const Context& context, Value x,
                Processors& processors, std::int64_t perturbed = 0) {
  const Scope block = s / "mid_block";
  const std::int64_t channels = config.channels.back();
  x = resnet_block(block / "resnets" / 0, context, x, channels);
  TransformerShape shape = shape_of(config, config.channels.size() - 1, processors.next_mid);
  shape.perturbed = perturbed;
  x = transformer(block / "attentions" / 0, context, x, shape);
  return resnet_block(block / "resnets" / 1, context, x, channels);
}

/// FreeU's factors for the features and the skips of the first two up blocks of SDXL, as its
/// authors recommend them.
struct FreeU {
  float features;
  float skips;
};
constexpr std::array<FreeU, 2> kFreeU{{{1.3F, 0.9F}, {1.4F, 0.2F}}};

/// What a residual block of an up block reads: the features and their skip.
Value join(Value x, Value skip, std::size_t block, const UNetOptions& options) {
  if (!options.freeu || block >= kFreeU.size()) return concat({x, skip}, -1);
  const std::int64_t half = x.channels() / 2;
  return concat(
      {affine(slice(x, -1, 0, half), kFreeU[block].features, 0), slice(x, -1, half, x.channels()),
       scale_low_frequencies(skip, kFreeU[block].skips)},
      -1);
}

struct Decoded {
  Value x;
  Value deep;  // what entered the last residual block
};

Decoded up_blocks(const Scope& s, const UNetConfig& config, const Context& context, Value x,
                  std::vector<Value> skips, Processors& processors, const UNetOptions& options) {
  const std::size_t levels = config.channels.size();
  Value deep = x;
  for (std::size_t i = 0; i < levels; ++i) {
    const std::size_t level = levels - 1 - i;
    const Scope block = s / "up_blocks" / static_cast<std::int64_t>(i);
    for (std::int64_t j = 0; j <= config.layers[level]; ++j) {
      deep = x;
      x = join(x, skips.back(), i, options);
      skips.pop_back();
      x = resnet_block(block / "resnets" / j, context, x, config.channels[level]);
      if (config.up_attention[i])
        x = transformer(block / "attentions" / j, context, x,
                        shape_of(config, level, processors.next_up));
    }
    if (level > 0) {  // to the size of the next skips, which need not be exactly twice as large
      const Shape& next = skips.back().shape();
      x = conv3x3(block / "upsamplers" / 0 / "conv", upsample(x, next[1], next[2]),
                  config.channels[level]);
    }
  }
  return {x, deep};
}

/// The batch with its last `count` pictures repeated.
Value repeat_last(Value x, std::int64_t count) {
  const std::int64_t n = x.shape()[0];
  return concat({x, slice(x, 0, n - count, n)}, 0);
}

void repeat_last(Context& context, std::int64_t count) {
  context.time = repeat_last(context.time, count);
  context.tokens = repeat_last(context.tokens, count);
  if (context.face) context.face->tokens = repeat_last(context.face->tokens, count);
}

Context context_of(const Scope& s, const UNetConfig& config, const StepInputs& inputs, Value text,
                   Value face, const std::optional<AdapterInputs>& adapter, DType dtype) {
  Context context{
      time_embedding(s, config, inputs), convert(text, dtype), {}, config.groups, config.eps};
  if (adapter) context.face = FaceContext{convert(face, dtype), *adapter};
  return context;
}

Value noise_of(const Scope& s, const UNetConfig& config, Value x) {
  x = group_norm(s / "conv_norm_out", x, config.groups, config.eps, true);
  return convert(conv3x3(s / "conv_out", x, config.out_channels), DType::kF32);
}

/// A ControlNet's first features.
Value control_input(const ControlInputs& control, const StepInputs& inputs, DType dtype) {
  return conv3x3(control.scope / "conv_in", convert(inputs.latent, dtype),
                 control.config->channels[0]) +
         control.conditioning;
}

Value control_residual(const Scope& s, Value features, std::int64_t i) {
  return conv1x1(s / "controlnet_down_blocks" / i, features, features.channels());
}

/// As diffusers' inpainting pipelines join the inputs.
Value first_convolution(const Scope& s, const UNetConfig& config, const StepInputs& inputs,
                        DType dtype) {
  Value latent = inputs.latent;
  if (inputs.masked) {
    const std::vector<Value> each(static_cast<std::size_t>(latent.shape()[0]), *inputs.masked);
    latent = concat({latent, each.size() == 1 ? each.front() : concat(each, 0)}, -1);
  }
  return conv3x3(s / "conv_in", convert(latent, dtype), config.channels[0]);
}

/// A ControlNet's residual as its masks and weights leave it.
Value limited(Value residual, const ControlInputs& control) {
  for (const Value& mask : control.masks) {
    if (mask.shape()[1] != residual.shape()[1] || mask.shape()[2] != residual.shape()[2]) continue;
    residual = residual * mask;
    break;
  }
  return control.weights ? residual * *control.weights : residual;
}

}  // namespace

std::optional<Value> masked_input(const Scope& root, const UNetConfig& config, std::int64_t h,
                                  std::int64_t w) {
  if (!config.reads_masks()) return std::nullopt;
  return root.input("masked", DType::kF32, {1, h, w, config.out_channels + 1});
}

std::vector<LevelSize> level_sizes(const UNetConfig& config, std::int64_t h, std::int64_t w) {
  std::vector<LevelSize> sizes{{h, w}};
  const auto half = [&](std::int64_t side) {
    return (side + config.downsample_padding + 1 - 3) / 2 + 1;
  };
  for (std::size_t level = 1; level < config.channels.size(); ++level)
    sizes.push_back({half(sizes.back().h), half(sizes.back().w)});
  return sizes;
}

std::optional<Value> guidance_input(const Scope& root, const UNetConfig& config, std::int64_t n) {
  if (config.guidance_channels == 0) return std::nullopt;
  return root.input("guidance", DType::kF32, {n});
}

Value conditioning_embedding(const Scope& s, const UNetConfig& config, Value picture, DType dtype,
                             int type) {
  const Scope embedding = s / "controlnet_cond_embedding";
  const std::vector<std::int64_t>& channels = config.conditioning_embedding;
  Value x = silu(conv3x3(embedding / "conv_in", convert(picture, dtype), channels[0]));
  for (std::size_t i = 0; i + 1 < channels.size(); ++i) {
    const auto block = static_cast<std::int64_t>(2 * i);
    x = silu(conv3x3(embedding / "blocks" / block, x, channels[i]));
    x = silu(conv3x3(embedding / "blocks" / (block + 1), x, channels[i + 1], 2, {1, 1, 1, 1}));
  }
  x = conv3x3(embedding / "conv_out", x, config.channels[0]);
  return config.control_types > 0 ? add_type(s, config, x, type) : x;
}

std::vector<Value> control_residuals(const ControlInputs& control, const StepInputs& inputs,
                                     DType dtype) {
  const Scope& s = control.scope;
  const UNetConfig& config = *control.config;
  const Context context{time_embedding(s, config, inputs, control.type),
                        convert(control.tokens, dtype),
                        {},
                        config.groups,
                        config.eps};
  Processors processors(config);
  const Value x = control_input(control, inputs, dtype);
  std::vector<Value> residuals = down_blocks(s, config, context, x, processors);
  const Value mid = mid_block(s, config, context, residuals.back(), processors);
  for (std::size_t i = 0; i < residuals.size(); ++i)
    residuals[i] = control_residual(s, residuals[i], static_cast<std::int64_t>(i));
  residuals.push_back(conv1x1(s / "controlnet_mid_block", mid, mid.channels()));
  return residuals;
}

UNetOutputs unet(const Scope& s, const UNetConfig& config, const StepInputs& inputs, Value text,
                 Value face, const std::vector<ControlInputs>& controls,
                 const std::optional<AdapterInputs>& adapter, DType dtype,
                 const UNetOptions& options) {
  Context context = context_of(s, config, inputs, text, face, adapter, dtype);
  Processors processors(config);
  Value x = first_convolution(s, config, inputs, dtype);
  std::vector<Value> skips = down_blocks(s, config, context, x, processors);
  x = skips.back();
  if (options.perturbed > 0) {  // the perturbed pictures differ from the mid block on
    repeat_last(context, options.perturbed);
    x = repeat_last(x, options.perturbed);
  }
  x = mid_block(s, config, context, x, processors, options.perturbed);
  for (const ControlInputs& control : controls) {
    std::vector<Value> residuals = control_residuals(control, inputs, dtype);
    if (residuals.size() != skips.size() + 1) {
      fail(ErrorKind::kShape,
           "a ControlNet gives {} residuals, this UNet takes {}: they were not made for each other",
           residuals.size(), skips.size() + 1);
    }
    for (Value& residual : residuals) residual = limited(residual, control);
    for (std::size_t i = 0; i < skips.size(); ++i)
      skips[i] = add_scaled(skips[i], residuals[i], control.strength);
    if (options.perturbed > 0) residuals.back() = repeat_last(residuals.back(), options.perturbed);
    x = add_scaled(x, residuals.back(), control.strength);
  }
  if (options.perturbed > 0) {
    for (Value& skip : skips) skip = repeat_last(skip, options.perturbed);
  }
  const Decoded decoded = up_blocks(s, config, context, x, std::move(skips), processors, options);
  return {noise_of(s, config, decoded.x), decoded.deep};
}

Value unet_from_deep(const Scope& s, const UNetConfig& config, const StepInputs& inputs, Value text,
                     Value face, const std::vector<ControlInputs>& controls,
                     const std::optional<AdapterInputs>& adapter, Value deep, DType dtype,
                     const UNetOptions& options) {
  Context context = context_of(s, config, inputs, text, face, adapter, dtype);
  Value skip = first_convolution(s, config, inputs, dtype);
  for (const ControlInputs& control : controls) {
    const Value features = control_input(control, inputs, dtype);
    skip = add_scaled(skip, limited(control_residual(control.scope, features, 0), control),
                      control.strength);
  }
  if (options.perturbed > 0) {
    repeat_last(context, options.perturbed);
    skip = repeat_last(skip, options.perturbed);
  }
  const std::size_t last = config.channels.size() - 1;
  const std::int64_t j = config.layers[0];
  const Scope block = s / "up_blocks" / static_cast<std::int64_t>(last);
  Value x = resnet_block(block / "resnets" / j, context, join(deep, skip, last, options),
                         config.channels[0]);
  if (config.up_attention[last]) {
    // Its processors are the last of the up blocks'.
    int processor =
        Processors(config).next_mid - static_cast<int>(2 * config.transformer_layers[0]);
    x = transformer(block / "attentions" / j, context, x, shape_of(config, 0, processor));
  }
  return noise_of(s, config, x);
}

}  // namespace semblance
