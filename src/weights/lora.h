// From a LoRA file to patches of a model's tensors (weights/weight_patch.h): LoRA, LoHa, LoKr, full
// differences, and DoRA on top of any. Formulas: docs/reference.md, section 5.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "weights/lora_file.h"
#include "weights/lora_names.h"
#include "weights/weight_patch.h"

namespace semblance {

/// How strongly a LoRA is applied; may be negative; 0 leaves the part as it is.
struct LoraStrength {
  float unet = 1;
  float text = 1;
};

/// The patches of each part's tensors.
using LoraPatches = std::array<WeightPatches, kLoraParts>;

struct LoraMatch {
  std::size_t layers = 0;  // of the model, that are changed
  /// Layers that the model does not have, and tensors whose purpose is unknown.
  std::vector<std::string> unmatched = {};
};

/// The largest rank of a factor.
inline constexpr std::int64_t kMostLoraRank = 8192;

/// Adds the file's patches to `patches`. The model keeps its shapes; every factor is checked
/// against them. Throws Error(kArgument) for a LoRA of another family of models, or if no layer of
/// it is one of the model's; Error(kShape), which names the layer, for factors that do not fit;
/// Error(kCorrupt) for a layer with a part of its factors missing, and a rank of 0.
LoraMatch add_lora(const LoraFile& lora, const LoraNames& names, LoraStrength strength,
                   LoraPatches& patches);

}  // namespace semblance
