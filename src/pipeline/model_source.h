// Where a model's parts come from. Each kind of checkpoint is a ModelSource; opening, auditing and
// fingerprinting models access files only through it.
//
// Components: "scheduler", "tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2", "unet",
// "vae", "identitynet", "adapter".
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "pipeline/request.h"
#include "text/tokenizer.h"
#include "weights/weight_map.h"

namespace semblance {

class ModelSource {
 public:
  virtual ~ModelSource() = default;

  /// A component's config; model_index.json for "model_index" and generation_config.json for
  /// "generation" ({} if missing). Throws Error(kMissing), and what Json::load throws.
  virtual Json config(std::string_view component) const = 0;
  /// A component's tensors by diffusers' names; empty if they are assumed. Throws what
  /// open_component() throws.
  virtual WeightMap weights(std::string_view component) const = 0;
  /// The first or second encoder's tokenizer; nullopt if it is assumed.
  virtual std::optional<Tokenizer> tokenizer(int encoder) const = 0;
  /// The component's path, for messages; empty if it is assumed.
  virtual std::filesystem::path place(std::string_view component) const = 0;
  /// The small files that shape a component besides its weights, for fingerprints. They need not
  /// exist. None if the weights alone determine it.
  virtual std::vector<std::filesystem::path> settings(std::string_view component) const = 0;
  /// Whether everything is there, so that every name, shape and width can be checked.
  virtual bool is_whole() const = 0;
};

/// A diffusers folder and InstantID's two parts, as published.
class DiffusersFolder : public ModelSource {
 public:
  explicit DiffusersFolder(ModelPaths paths) : paths_(std::move(paths)) {}
  /// Throws Error(kArgument) or Error(kMissing), saying what is expected, unless the paths are such
  /// folders. check_others() leaves out the base.
  void check() const;
  void check_others() const;

  Json config(std::string_view component) const override;
  WeightMap weights(std::string_view component) const override;
  std::optional<Tokenizer> tokenizer(int encoder) const override;
  std::filesystem::path place(std::string_view component) const override;
  std::vector<std::filesystem::path> settings(std::string_view component) const override;
  bool is_whole() const override { return true; }

 private:
  ModelPaths paths_;
};

/// The weights of a component's folder by the names of the models.
WeightMap open_folder(std::string_view component, const std::filesystem::path& folder);
/// The files of a tokenizer's folder that are read.
std::vector<std::filesystem::path> tokenizer_files(const std::filesystem::path& folder);

/// The existing parts of a DiffusersFolder; the others are assumed as published (SDXL 1.0 and
/// InstantID), without weights and tokenizers. Paths may be empty.
class PublishedModel : public ModelSource {
 public:
  explicit PublishedModel(const ModelPaths& paths);
  /// What was assumed: the missing paths, or the flags that were not given.
  std::vector<std::string> assumed() const;

  Json config(std::string_view component) const override;
  WeightMap weights(std::string_view component) const override;
  std::optional<Tokenizer> tokenizer(int) const override { return std::nullopt; }
  std::filesystem::path place(std::string_view component) const override {
    return files_.place(component);
  }
  std::vector<std::filesystem::path> settings(std::string_view component) const override {
    return files_.settings(component);
  }
  bool is_whole() const override { return false; }

 private:
  void note(const std::filesystem::path& path, std::string_view component) const;

  ModelPaths given_;
  mutable std::vector<std::string> assumed_;
  DiffusersFolder files_;
};

}  // namespace semblance
