// LoRA files: what each of a model's layers gets, under the names of the file's writer. Reads
// headers and the one-number tensors (alpha); the factors stay in the file.
//
// Understood are the names of kohya's scripts, LyCORIS, diffusers and peft (docs/reference.md,
// section 4). Which layer of a model a name means is the business of weights/lora_names.h.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weights/weight_map.h"

namespace semblance {

/// What a tensor is for its layer.
enum class LoraRole : std::uint8_t {
  kUp,
  kDown,
  kMid,
  kAlpha,
  kDoraScale,  // DoRA as kohya and LyCORIS store it
  kMagnitude,  // as peft does
  kHada1A,
  kHada1B,
  kHada2A,
  kHada2B,
  kHadaT1,
  kHadaT2,
  kLokr1,
  kLokr1A,
  kLokr1B,
  kLokr2,
  kLokr2A,
  kLokr2B,
  kLokrT2,
  kDiff,
  kBiasDiff,
};
inline constexpr std::size_t kLoraRoles = 21;

/// A layer of a LoRA file.
struct LoraLayer {
  std::string name;  // "lora_unet_input_blocks_4_1_proj_in", "unet.down_blocks.0...to_q"
  std::array<StoredTensor, kLoraRoles> tensors;  // those without a file are not there
  std::optional<float> alpha = {};

  const StoredTensor* find(LoraRole role) const {
    const StoredTensor& tensor = tensors[static_cast<std::size_t>(role)];
    return tensor.file ? &tensor : nullptr;
  }
  bool has(LoraRole role) const { return find(role) != nullptr; }
};

/// peft's settings of one part of the model ("unet", "text_encoder"), from the file's metadata.
struct LoraSettings {
  std::optional<double> alpha = {};
  std::map<std::string, double> alpha_of = {};  // by the last parts of a layer's name
  bool rank_stabilized = false;                 // alpha / sqrt(rank)
};

struct LoraFile {
  std::shared_ptr<const File> file;
  std::vector<LoraLayer> layers = {};                 // by name
  std::vector<std::string> strange = {};              // tensors that are none of the roles
  std::map<std::string, LoraSettings> settings = {};  // by part
  std::string base = {};  // the kind of model that the metadata names, "" if none
};

/// The most tensors that a file may have: SDXL has some 1,700 layers with up to 9 each.
inline constexpr std::size_t kMostLoraTensors = 40'000;

/// Throws Error(kCorrupt) for too many tensors, an alpha that is no finite number, metadata that is
/// not as peft writes it, and what the readers of weight files throw; Error(kArgument), which names
/// it, for a kind of change that is not supported (IA3, OFT, GLoRA).
LoraFile read_lora(const std::shared_ptr<const File>& file);
/// The same for a path. Throws what open_file() throws.
LoraFile open_lora(const std::filesystem::path& path);

/// Reads every number of the file. Throws Error(kCorrupt), which names the tensor, if one is not
/// finite; and what `check`, which is called again and again, throws.
void check_numbers(const LoraFile& lora, const std::function<void()>& check);

}  // namespace semblance
