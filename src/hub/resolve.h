// Resolves the models' flags to paths. Paths are used unchanged; owner/name on the hub, sdxl,
// instantid and antelopev2 are looked up on this machine; flags not given default to where
// `semblance models pull` puts the models. Nothing is downloaded.
#pragma once

#include <filesystem>

namespace semblance {

struct NamedModels {
  std::filesystem::path base = {};         // --base
  std::filesystem::path identitynet = {};  // --identitynet
  std::filesystem::path adapter = {};      // --adapter
  std::filesystem::path face_models = {};  // --face-models
};

enum class NotThere {
  kRefuse,  // Error(kMissing) that names the download command
  kKeep,    // keep the name, for plans, which need no files
};

/// The paths for the names. If a base model is given, IdentityNet and adapter default to
/// InstantX/InstantID in the hub's cache or in checkpoints/, and stay empty if not found. Throws
/// Error(kMissing) for a name that is neither a path nor a complete model in the cache, or is there
/// only under a commit other than refs/ names, which the error lists; and what
/// places_of_environment() throws, which is called only when needed.
NamedModels resolve_models(NamedModels named, NotThere not_there);

/// The face models' folder. A path is returned unchanged; "antelopev2" is looked up; an empty path
/// too, but stays empty if not found. Throws Error(kMissing) if a named antelopev2 is not found.
std::filesystem::path resolve_face_models(const std::filesystem::path& named, NotThere not_there);

}  // namespace semblance
