// A model, or parts of one, in one file under the names that it was published with: SDXL's
// original names with or without prefixes, diffusers' names, and what stable-diffusion.cpp and
// ComfyUI-GGUF make of them. What comes out is what a diffusers folder would give. Headers alone
// are read.
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

/// Components are "unet", "vae", "text_encoder" and "text_encoder_2". Const use is thread-safe.
class SingleFile {
 public:
  /// Throws what open_weight_file() throws. A file that is something else is no error: identity()
  /// says what it is.
  static SingleFile open(const std::filesystem::path& path);
  /// `name` stands for the file in messages.
  SingleFile(std::string name, WeightFile file);

  const std::string& name() const { return name_; }
  const FileIdentity& identity() const { return identity_; }
  bool has(std::string_view component) const { return identity_.has(component); }

  /// A component's tensors by diffusers' names, without what no model reads. Throws
  /// Error(kMissing) where the file does not have it, Error(kCorrupt) where two tensors get one
  /// name or a fused one has no three parts.
  WeightMap weights(std::string_view component) const;
  /// Its config.json, as infer_config() reads it from the tensors; `pooled` is the width of the
  /// second encoder's projection where that is in another file. "scheduler" for infer_scheduler().
  Json config(std::string_view component, std::optional<std::int64_t> pooled = {}) const;

 private:
  std::string name_;
  WeightFile file_;
  FileIdentity identity_;
};

}  // namespace semblance
