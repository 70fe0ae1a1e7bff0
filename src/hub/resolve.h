// Resolves the models' flags to paths. Paths are used unchanged; names are looked up in
// --models-dir (model_folders.h) and in the hub's cache (owner/name, owner/name/FILE, sdxl,
// instantid, antelopev2); flags not given default to where `semblance models pull` puts the models.
// Nothing is downloaded.
#pragma once

#include <filesystem>

namespace semblance {

struct NamedModels {
  std::filesystem::path base = {};           // --base
  std::filesystem::path identitynet = {};    // --identitynet
  std::filesystem::path adapter = {};        // --adapter
  std::filesystem::path face_models = {};    // --face-models
  std::filesystem::path unet = {};           // --unet
  std::filesystem::path vae = {};            // --vae
  std::filesystem::path text_encoders = {};  // --text-encoders
  std::filesystem::path models_dir = {};     // --models-dir
  std::filesystem::path lcm = {};            // found, never given: the LCM-LoRA
};

enum class IfMissing {
  kRefuse,  // Error(kMissing) that names the download command
  kKeep,    // keep the name, for plans, which need no files
};

/// The paths for the names. If a base model is given, IdentityNet and adapter default to
/// InstantX/InstantID in the hub's cache or in checkpoints/, and stay empty if not found, as does
/// `lcm`. Throws
/// Error(kMissing) for a name that is neither a path nor a complete model in the cache, or is there
/// only under a commit other than refs/ names, which the error lists; and what ModelFolders and
/// places_of_environment() throw, which are called only when needed.
NamedModels resolve_models(NamedModels named, IfMissing if_missing);

/// The face models' folder. A path is returned unchanged; "antelopev2" is looked up; an empty path
/// too, but stays empty if not found. Throws Error(kMissing) if a named antelopev2 is not found.
std::filesystem::path resolve_face_models(const std::filesystem::path& named, IfMissing if_missing);

}  // namespace semblance
