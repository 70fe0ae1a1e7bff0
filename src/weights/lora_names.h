// Which layer of a model a name in a LoRA file means.
//
// Files name layers with dots (diffusers, peft) or with underscores for them (kohya, LyCORIS), and
// the UNet's blocks by SDXL's original names or by diffusers'. Underscores cannot be undone, so a
// table has every layer of the model under all of its names, with underscores.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/shape.h"

namespace semblance {

/// A part of the model that LoRAs change.
enum class LoraPart : std::uint8_t { kUNet, kTextEncoder1, kTextEncoder2 };
inline constexpr std::size_t kLoraParts = 3;

struct LoraTarget {
  std::string name;  // in the part's WeightMap
  Shape shape;
};

/// A layer: its weight, and its bias if it has one.
struct LoraTargets {
  LoraPart part = LoraPart::kUNet;
  std::string module;  // diffusers' name without the part: "down_blocks.1.attentions.0.proj_in"
  std::optional<LoraTarget> weight = {};
  std::optional<LoraTarget> bias = {};
};

class LoraNames {
 public:
  /// `layers`: the UNet's residual blocks by level; `up_attention`: whether its decoder's levels
  /// have transformers, deepest first. Both determine the original names.
  LoraNames(std::vector<std::int64_t> layers, std::vector<bool> up_attention)
      : layers_(std::move(layers)), up_attention_(std::move(up_attention)) {}

  /// Adds a tensor of a part. `prefix`: what its name has before diffusers' name. Tensors that are
  /// neither weights nor biases of layers, and tables of embeddings, are ignored.
  void add(LoraPart part, std::string_view prefix, const std::string& name, const Shape& shape);

  struct Found {
    const LoraTargets* layer = nullptr;
    bool is_original = false;  // by an original name
  };
  /// The layer of a name as LoraLayer has it; no layer if the model has none of that name.
  Found find(std::string_view name) const;

  /// The width of the text that the UNet reads; 0 if it has no cross-attention.
  std::int64_t cross_width() const { return cross_width_; }
  std::size_t size() const { return targets_.size(); }

 private:
  std::string original_name(std::string_view module) const;
  void add_name(LoraPart part, std::string_view module, std::size_t index, bool is_original);

  std::vector<std::int64_t> layers_;
  std::vector<bool> up_attention_;
  std::vector<LoraTargets> targets_;
  struct Entry {
    std::size_t index = 0;
    bool is_original = false;
  };
  std::array<std::unordered_map<std::string, Entry>, kLoraParts> names_;
  std::int64_t cross_width_ = 0;
};

/// The family of models that a layer's name belongs to if that is not SDXL: "Flux", "Stable
/// Diffusion 3"; else empty.
std::string_view family_of(std::string_view layer);

}  // namespace semblance
