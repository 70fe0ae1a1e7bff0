// Models and LoRAs that were distilled for few steps, and how their authors sample them
// (docs/reference.md, section 4).
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace semblance {

struct FewSteps {
  std::string name = {};              // "SDXL Lightning"
  std::string_view scheduler = {};    // of pipeline/sampling_choices.h
  std::string_view spacing = {};      // empty: the sampler's own
  std::array<int, 3> steps{4, 4, 4};  // of a draft, a good and the best picture
  float guidance = 0;
  std::optional<double> guidance_end = {};  // fraction of the steps
  double eta = 0;
};

/// LCM, also with a UNet that takes the guidance scale as an input. Other UNets need guidance only
/// in the first steps, which decide what the picture shows; each of the rest costs half.
FewSteps lcm_steps();

/// Recognises LCM, Lightning, Hyper-SD, Turbo and DMD2 by a file's or folder's name, as published:
/// "sdxl_lightning_4step_lora", "Hyper-SDXL-8steps-CFG-lora", "lcm-lora-sdxl", "sdxl-turbo",
/// "dmd2_sdxl_4step_lora". A LoRA needs the published form, since its words may name what it draws:
/// "lightning_storm" is none.
std::optional<FewSteps> few_steps_of(std::string_view name, bool is_lora);
/// The same for the last folders of a path: "lcm-lora-sdxl/pytorch_lora_weights.safetensors",
/// "models--stabilityai--sdxl-turbo/snapshots/71153311d3".
std::optional<FewSteps> few_steps_of(const std::filesystem::path& path, bool is_lora);

}  // namespace semblance
