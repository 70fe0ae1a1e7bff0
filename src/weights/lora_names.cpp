#include "weights/lora_names.h"

#include <algorithm>
#include <charconv>

#include "core/integers.h"

namespace semblance {
namespace {

std::string with_underscores(std::string_view module) {
  std::string name(module);
  std::ranges::replace(name, '.', '_');
  return name;
}

struct Rename {
  std::string_view from;
  std::string_view to;
};

// Whole modules of the UNet.
constexpr Rename kOutside[] = {
    {"time_embedding.linear_1", "time_embed.0"},
    {"time_embedding.linear_2", "time_embed.2"},
    {"add_embedding.linear_1", "label_emb.0.0"},
    {"add_embedding.linear_2", "label_emb.0.2"},
    {"conv_in", "input_blocks.0.0"},
    {"conv_norm_out", "out.0"},
    {"conv_out", "out.2"},
    {"mid_block.attentions.0", "middle_block.1"},
    {"mid_block.resnets.0", "middle_block.0"},
    {"mid_block.resnets.1", "middle_block.2"},
};

// Modules of a residual block.
constexpr Rename kInside[] = {
    {"norm1", "in_layers.0"},          {"conv1", "in_layers.2"},
    {"norm2", "out_layers.0"},         {"conv2", "out_layers.3"},
    {"time_emb_proj", "emb_layers.1"}, {"conv_shortcut", "skip_connection"},
};

/// Takes "NAME.NUMBER" from the front of a path; nullopt if it begins otherwise.
std::optional<std::int64_t> take(std::string_view& path, std::string_view name) {
  if (!path.starts_with(name) || !path.substr(name.size()).starts_with('.')) return std::nullopt;
  const std::string_view rest = path.substr(name.size() + 1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (error != std::errc()) return std::nullopt;
  path = rest.substr(static_cast<std::size_t>(end - rest.data()));
  if (path.starts_with('.')) path.remove_prefix(1);
  return number;
}

std::string inside_name(std::string_view module) {
  for (const Rename& row : kInside) {
    if (module == row.from) return std::string(row.to);
  }
  return std::string(module);
}

std::string joined(std::string block, std::string_view rest) {
  if (!rest.empty()) block.append(1, '.').append(rest);
  return block;
}

/// What a kohya or LyCORIS name begins with.
struct Prefix {
  std::string_view text;
  LoraPart part;
};
constexpr Prefix kFlat[] = {
    {"lora_unet_", LoraPart::kUNet},           {"lora_te1_", LoraPart::kTextEncoder1},
    {"lora_te2_", LoraPart::kTextEncoder2},    {"lora_te_", LoraPart::kTextEncoder1},
    {"lycoris_unet_", LoraPart::kUNet},        {"lycoris_te1_", LoraPart::kTextEncoder1},
    {"lycoris_te2_", LoraPart::kTextEncoder2}, {"lycoris_", LoraPart::kUNet},
};
constexpr Prefix kDotted[] = {
    {"unet.", LoraPart::kUNet},
    {"text_encoder.", LoraPart::kTextEncoder1},
    {"text_encoder_2.", LoraPart::kTextEncoder2},
    {"model.diffusion_model.", LoraPart::kUNet},
    {"diffusion_model.", LoraPart::kUNet},
};

}  // namespace

/// SDXL's original name of a module of the UNet; empty if it has none.
std::string LoraNames::original_name(std::string_view module) const {
  for (const Rename& row : kOutside) {
    if (module == row.from) return std::string(row.to);
    if (module.starts_with(row.from) && module.substr(row.from.size()).starts_with('.'))
      return joined(std::string(row.to), inside_name(module.substr(row.from.size() + 1)));
  }
  const bool is_down = module.starts_with("down_blocks.");
  const std::optional<std::int64_t> level = take(module, is_down ? "down_blocks" : "up_blocks");
  const auto levels = static_cast<std::int64_t>(layers_.size());
  if (!level || *level < 0 || *level >= levels) return {};
  const auto layers_at = [&](std::int64_t i) { return layers_[at(is_down ? i : levels - 1 - i)]; };
  // A level of the decoder has one layer more, one of the encoder a downsampler.
  std::int64_t first = is_down ? 1 : 0;
  for (std::int64_t i = 0; i < *level; ++i) first += layers_at(i) + 1;
  const std::string blocks = is_down ? "input_blocks." : "output_blocks.";
  if (const auto layer = take(module, "resnets"))
    return joined(blocks + std::to_string(first + *layer) + ".0", inside_name(module));
  if (const auto layer = take(module, "attentions"))
    return joined(blocks + std::to_string(first + *layer) + ".1", module);
  const std::string last = blocks + std::to_string(first + layers_at(*level));
  if (module == "downsamplers.0.conv") return last + ".0.op";
  if (module == "upsamplers.0.conv")
    return last + (up_attention_[at(*level)] ? ".2.conv" : ".1.conv");
  return {};
}

void LoraNames::add_name(LoraPart part, std::string_view module, std::size_t index,
                         bool is_original) {
  names_[static_cast<std::size_t>(part)].try_emplace(with_underscores(module),
                                                     Entry{index, is_original});
}

void LoraNames::add(LoraPart part, std::string_view prefix, const std::string& name,
                    const Shape& shape) {
  std::string_view module = std::string_view(name).substr(prefix.size());
  const bool is_bias = module.ends_with(".bias");
  constexpr std::string_view kWeight = ".weight";
  if (!is_bias && !module.ends_with(kWeight)) return;
  module.remove_suffix(is_bias ? std::string_view(".bias").size() : kWeight.size());
  if (module.ends_with("token_embedding") || module.ends_with("position_embedding")) return;
  if (module.ends_with("attn2.to_k")) cross_width_ = shape[-1];
  const auto& names = names_[static_cast<std::size_t>(part)];
  const auto known = names.find(with_underscores(module));
  const bool is_new = known == names.end() || targets_[known->second.index].module != module;
  const std::size_t index = is_new ? targets_.size() : known->second.index;
  if (is_new) {
    targets_.push_back({.part = part, .module = std::string(module)});
    add_name(part, module, index, false);
    if (part == LoraPart::kUNet) {
      if (const std::string original = original_name(module); !original.empty())
        add_name(part, original, index, true);
    } else if (constexpr std::string_view kModel = "text_model."; module.starts_with(kModel)) {
      add_name(part, module.substr(kModel.size()), index, false);
    }
  }
  (is_bias ? targets_[index].bias : targets_[index].weight) = LoraTarget{name, shape};
}

LoraNames::Found LoraNames::find(std::string_view name) const {
  const auto in = [&](LoraPart part, const std::string& module) -> Found {
    const auto& names = names_[static_cast<std::size_t>(part)];
    const auto found = names.find(module);
    if (found == names.end()) return {};
    return {&targets_[found->second.index], found->second.is_original};
  };
  for (const Prefix& prefix : kFlat) {
    if (name.starts_with(prefix.text))
      return in(prefix.part, std::string(name.substr(prefix.text.size())));
  }
  for (const std::string_view wrapper : {"base_model.model.", "model.base_model."}) {
    if (name.starts_with(wrapper)) name.remove_prefix(wrapper.size());
  }
  LoraPart part = LoraPart::kUNet;
  for (const Prefix& prefix : kDotted) {
    if (!name.starts_with(prefix.text)) continue;
    part = prefix.part;
    name.remove_prefix(prefix.text.size());
    break;
  }
  std::string module(name);
  // Older diffusers: "attn1.processor.to_q", and "to_out" for "to_out.0".
  constexpr std::string_view kProcessor = ".processor.";
  if (const std::size_t place = module.find(kProcessor); place != std::string::npos)
    module.replace(place, kProcessor.size(), ".");
  if (module.ends_with(".to_out")) module += ".0";
  return in(part, with_underscores(module));
}

std::string_view family_of(std::string_view layer) {
  const auto has = [&](std::string_view part) {
    return layer.find(part) != std::string_view::npos;
  };
  if (has("double_blocks") || has("single_blocks") || has("single_transformer_blocks"))
    return "Flux";
  if (has("joint_blocks") || layer.starts_with("lora_te3_") || layer.starts_with("text_encoder_3."))
    return "Stable Diffusion 3";
  if (layer.starts_with("transformer.") || layer.starts_with("lora_transformer_"))
    return "a transformer such as Flux or Stable Diffusion 3";
  return {};
}

}  // namespace semblance
