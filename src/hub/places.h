// Where models are stored and downloaded from, following huggingface_hub's environment variables:
//
//   HF_HUB_CACHE (or HUGGINGFACE_HUB_CACHE), else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub,
//       else ~/.cache/huggingface/hub       the cache
//   HF_ENDPOINT                             a server instead of https://huggingface.co
//   HF_TOKEN (or HUGGING_FACE_HUB_TOKEN), else the file HF_TOKEN_PATH, else HF_HOME/token;
//       HF_HUB_DISABLE_IMPLICIT_TOKEN=1: none
//   HF_HUB_OFFLINE=1                        no server is contacted
//
// Face models are stored where insightface stores them: ~/.insightface/models.
// https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
#pragma once

#include <filesystem>
#include <string>

namespace semblance {

struct Places {
  std::filesystem::path cache;
  std::filesystem::path face_models;  // contains the folder antelopev2
  /// For --local, the layout of the guide's notebook: below the working folder.
  std::filesystem::path local_checkpoints = "checkpoints";
  std::filesystem::path local_face_models = "models";
  std::string endpoint = "https://huggingface.co";  // without a trailing slash
  std::string face_endpoint = "https://github.com";
  std::string token;  // empty: none
  bool offline = false;
};

/// Reads the environment. Throws Error(kArgument) for an endpoint that is not
/// http(s)://host[:port][/path] or a token that is not printable ASCII, and Error(kMissing) if HOME
/// is needed and not set.
Places places_of_environment();

}  // namespace semblance
