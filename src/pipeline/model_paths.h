// The paths of a model's files. Nothing is read until a Pipeline is opened.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace semblance {

/// docs/models.md describes what each may be.
struct ModelPaths {
  std::filesystem::path base = {};         // a diffusers folder of an SDXL model, or one file
  std::filesystem::path identitynet = {};  // folder with config.json and the ControlNet's weights
  std::filesystem::path adapter = {};      // ip-adapter.bin, or the same as safetensors
  // In place of the base's; empty: the base's.
  std::filesystem::path unet = {};           // one file
  std::filesystem::path vae = {};            // one file, or a diffusers folder
  std::filesystem::path text_encoders = {};  // one file with one or both, or a folder
  // Beside the model, and so no rows below.
  std::vector<std::filesystem::path> embeddings = {};  // textual inversions for SDXL
  std::filesystem::path lcm = {};  // the LCM-LoRA for Request::fast; empty if it is not there
};

/// A member of ModelPaths.
struct ModelPathRow {
  std::string_view name;  // in saved runs and in JSON
  std::string_view flag;
  bool is_required = false;
};

/// Calls f(row, s.member...) for each path. `s` are ModelPaths or other structs with the same
/// members.
template <typename F, typename... S>
void each_model_path(F&& f, S&... s) {
  f(ModelPathRow{"base", "--base", true}, s.base...);
  f(ModelPathRow{"identitynet", "--identitynet", true}, s.identitynet...);
  f(ModelPathRow{"adapter", "--adapter", true}, s.adapter...);
  f(ModelPathRow{"unet", "--unet"}, s.unet...);
  f(ModelPathRow{"vae", "--vae"}, s.vae...);
  f(ModelPathRow{"text_encoders", "--text-encoders"}, s.text_encoders...);
}

}  // namespace semblance
