// Where models are kept and where they come from, as the environment says it to huggingface_hub:
//
//   HF_HUB_CACHE (or HUGGINGFACE_HUB_CACHE), else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub,
//       else ~/.cache/huggingface/hub       the cache
//   HF_ENDPOINT                             another server than https://huggingface.co
//   HF_TOKEN (or HUGGING_FACE_HUB_TOKEN), else the file HF_TOKEN_PATH, else HF_HOME/token;
//       HF_HUB_DISABLE_IMPLICIT_TOKEN=1: none
//   HF_HUB_OFFLINE=1                        nothing is asked of any server
//
// Face models are kept where insightface keeps them: ~/.insightface/models.
// https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
#pragma once

#include <filesystem>
#include <string>

namespace semblance {

struct Places {
  std::filesystem::path cache;
  std::filesystem::path face_models;  // with the folder antelopev2 in it
  /// Of --local, as the guide's notebook lays models out: below the working folder.
  std::filesystem::path local_checkpoints = "checkpoints";
  std::filesystem::path local_face_models = "models";
  std::string endpoint = "https://huggingface.co";  // without a slash at its end
  std::string face_endpoint = "https://github.com";
  std::string token;  // empty: none
  bool offline = false;
};

/// What the environment says. Throws Error(kArgument) for an endpoint that is not
/// http(s)://host[:port][/path] or a token with other bytes than printable ASCII, and
/// Error(kMissing) where there is no HOME to keep anything in.
Places places_of_environment();

}  // namespace semblance
