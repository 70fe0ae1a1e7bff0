// The flags for the models that `generate`, `plan` and `serve` share.
#pragma once

#include <filesystem>
#include <vector>

#include "cli/flags.h"
#include "cli/photo_flags.h"
#include "hub/resolve.h"
#include "pipeline/model_paths.h"

namespace semblance::cli {

/// Folders in which names are looked up.
struct ModelPlaces {
  std::filesystem::path models;    // --models-dir
  std::filesystem::path loras;     // --lora-dir
  std::filesystem::path controls;  // --control-dir
};

/// Declares the flags of a group that is already begun.
void declare_model_flags(Flags& flags, ModelPaths& paths, ModelPlaces& places);

/// Replaces names by paths (hub/resolve.h), those of the face models included.
void find_models(ModelPaths& paths, const ModelPlaces& places, PhotoFlags& looking,
                 IfMissing if_missing);

/// Where LoRAs are looked up by name. Throws what lora_folders() and ModelFolders throw.
std::vector<std::filesystem::path> lora_places(const ModelPlaces& places, const ModelPaths& paths);
/// The same of ControlNets.
std::vector<std::filesystem::path> control_places(const ModelPlaces& places,
                                                  const ModelPaths& paths);

}  // namespace semblance::cli
