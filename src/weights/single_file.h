// A model, or parts of one, in a single file: SDXL's original names with or without prefixes,
// diffusers' names, and the variants of stable-diffusion.cpp and ComfyUI-GGUF. Provides what a
// diffusers folder would. Only headers are read.
//
//   const SingleFile file = SingleFile::open("model.safetensors");
//   if (!file.has("vae")) ...;  file.config("unet");  file.weights("unet");
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/json.h"
#include "weights/identify.h"
#include "weights/weight_map.h"

namespace semblance {

/// Components are "unet", "vae", "text_encoder", "text_encoder_2" and "controlnet". Const use is
/// thread-safe.
class SingleFile {
 public:
  /// Throws what open_weight_file() throws. A file with other content is not an error: identity()
  /// says what it is.
  static SingleFile open(const std::filesystem::path& path);
  /// `name` is the file's name in messages.
  SingleFile(std::string name, WeightFile file);

  const std::string& name() const { return name_; }
  const FileIdentity& identity() const { return identity_; }
  bool has(std::string_view component) const { return identity_.has(component); }

  /// A component's tensors by diffusers' names, without those that no model reads. Throws
  /// Error(kMissing) if the file lacks it, Error(kCorrupt) if two tensors get the same
  /// name or a fused one cannot be split in three.
  WeightMap weights(std::string_view component) const;
  /// Its config.json, derived by infer_config() from the tensors; `pooled` is the width of the
  /// second encoder's projection if that is in another file. "scheduler" for infer_scheduler().
  Json config(std::string_view component, std::optional<std::int64_t> pooled = {}) const;

 private:
  std::string name_;
  WeightFile file_;
  FileIdentity identity_;
};

}  // namespace semblance
