#include "cli/model_flags.h"

#include "hub/model_folders.h"
#include "pipeline/control_choice.h"
#include "pipeline/lora_choice.h"

namespace semblance::cli {

void declare_model_flags(Flags& flags, ModelPaths& paths, ModelPlaces& places) {
  flags.path("--base", "DIR|FILE|NAME",
             "The SDXL base model: a diffusers folder, a checkpoint in one file (.safetensors, "
             ".ckpt, .gguf), the name of a file in --models-dir, or of a model downloaded with "
             "`semblance models pull` (sdxl, owner/name or owner/name/FILE on the hub). Default: "
             "the demo model (drawn faces only, not photos).",
             paths.base);
  flags.path("--identitynet", "DIR|NAME",
             "IdentityNet: InstantID's ControlNetModel folder, or owner/name. Default: the one "
             "downloaded by `semblance models pull instantid`.",
             paths.identitynet);
  flags.path("--adapter", "FILE|NAME",
             "The face adapter: InstantID's ip-adapter.bin, the same weights as safetensors, or "
             "owner/name. Default: the one downloaded by `semblance models pull instantid`.",
             paths.adapter);
  flags.path("--unet", "FILE|NAME",
             "A UNet of SDXL in one file, in place of the base model's; also the UNet of a "
             "checkpoint, and 8-bit floats and GGUF.",
             paths.unet);
  flags.path("--vae", "FILE|DIR|NAME",
             "A VAE of SDXL in place of the base model's: one file, or a diffusers folder.",
             paths.vae);
  flags.path("--text-encoders", "FILE|DIR|NAME",
             "Text encoders of SDXL in place of the base model's: one file with one or both, a "
             "folder with one file for each, or a diffusers folder.",
             paths.text_encoders);
  flags.path(
      "--models-dir", "DIR",
      "Folder in which the flags above, --lora and --control look for names of files: that of "
      "AUTOMATIC1111's web UI or of ComfyUI, or one with folders named as theirs "
      "(checkpoints, loras, vae, ...). `semblance models list --models-dir DIR` lists them.",
      places.models);
  flags.path("--lora-dir", "DIR",
             "Folder in which --lora looks for names, folders inside it included; also the root of "
             "AUTOMATIC1111's web UI. Default: the LoRA folders of --models-dir, loras beside the "
             "base model, then semblance/loras in XDG_DATA_HOME or ~/.local/share.",
             places.loras);
  flags.path("--control-dir", "DIR",
             "Folder in which --control looks for names of files and diffusers folders, folders "
             "inside it included; also the root of AUTOMATIC1111's web UI. Default: the ControlNet "
             "folders of --models-dir, controlnet beside the base model, then "
             "semblance/controlnet in XDG_DATA_HOME or ~/.local/share.",
             places.controls);
}

void find_models(ModelPaths& paths, const ModelPlaces& places, PhotoFlags& looking,
                 IfMissing if_missing) {
  NamedModels named{.face_models = looking.files.folder, .models_dir = places.models};
  const auto copy = [](const ModelPathRow&, auto& to, const auto& from) { to = from; };
  each_model_path(copy, named, paths);
  named = resolve_models(named, if_missing);
  each_model_path(copy, paths, named);
  paths.lcm = named.lcm;
  looking.find_models(if_missing);
}

namespace {

/// The folders of a kind in --models-dir, then the default ones.
std::vector<std::filesystem::path> places_of(const ModelPlaces& places, ModelKind kind,
                                             const std::vector<std::filesystem::path>& usual) {
  std::vector<std::filesystem::path> folders =
      ModelFolders(places.models, "--models-dir").folders(kind);
  folders.insert(folders.end(), usual.begin(), usual.end());
  return folders;
}

}  // namespace

std::vector<std::filesystem::path> lora_places(const ModelPlaces& places, const ModelPaths& paths) {
  if (!places.loras.empty() || places.models.empty())
    return lora_folders(places.loras, paths.base, "--lora-dir");
  return places_of(places, ModelKind::kLora, default_lora_folders(paths.base));
}

std::vector<std::filesystem::path> control_places(const ModelPlaces& places,
                                                  const ModelPaths& paths) {
  if (!places.controls.empty() || places.models.empty())
    return control_folders(places.controls, paths.base, "--control-dir");
  return places_of(places, ModelKind::kControlNet, default_control_folders(paths.base));
}

}  // namespace semblance::cli
