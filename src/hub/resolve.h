// Which files the models' flags mean: a path is taken as it is; owner/name of the hub, and sdxl,
// instantid and antelopev2, are looked for on this machine; what is not named is taken from where
// `semblance models pull` puts it. Nothing is downloaded.
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
  kRefuse,  // Error(kMissing) that names the command that gets it
  kKeep,    // the name stays as it came, for a plan, which needs no files
};

/// The paths that the names stand for. With a base model, IdentityNet and adapter that are not
/// named are InstantX/InstantID's of the hub's cache, or of checkpoints/; they stay empty where
/// they are not there. Throws Error(kMissing) for a name that is no path and is not in the cache,
/// not whole there, or there only under another commit than refs/ names, which it then tells; and
/// what places_of_environment() throws, which is asked only where it is needed.
NamedModels resolve_models(NamedModels named, NotThere not_there);

/// The face models' folder: a path as it is, "antelopev2" from where it is kept; for an empty path
/// the same, or an empty path where it is not there. Throws Error(kMissing) for an antelopev2 that
/// is not there.
std::filesystem::path resolve_face_models(const std::filesystem::path& named, NotThere not_there);

}  // namespace semblance
