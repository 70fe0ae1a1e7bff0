// Where a model's parts come from. Each kind of checkpoint is a ModelSource; what opens, audits and
// fingerprints models sees no files but through it.
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
  /// "generation" ({} where there is none). Throws Error(kMissing), and what Json::load throws.
  virtual Json config(std::string_view component) const = 0;
  /// Its tensors by diffusers' names; none where they are assumed. Throws what open_component()
  /// throws.
  virtual WeightMap weights(std::string_view component) const = 0;
  /// Of the first or second encoder; nothing where it is assumed.
  virtual std::optional<Tokenizer> tokenizer(int encoder) const = 0;
  /// Where it lies, for messages and fingerprints; empty where it is assumed.
  virtual std::filesystem::path place(std::string_view component) const = 0;
  /// Whether all is there, so that every name, shape and width can be checked.
  virtual bool is_whole() const = 0;
};

/// A diffusers folder with InstantID's two parts beside it, as published.
class DiffusersFolder : public ModelSource {
 public:
  explicit DiffusersFolder(ModelPaths paths) : paths_(std::move(paths)) {}
  /// Throws Error(kArgument) or Error(kMissing), saying what is needed, unless the paths lead to
  /// such folders.
  void check() const;

  Json config(std::string_view component) const override;
  WeightMap weights(std::string_view component) const override;
  std::optional<Tokenizer> tokenizer(int encoder) const override;
  std::filesystem::path place(std::string_view component) const override;
  bool is_whole() const override { return true; }

 private:
  ModelPaths paths_;
};

/// What is there of a DiffusersFolder; the rest is taken to be as published (SDXL 1.0 and
/// InstantID), without weights and tokenizers. Paths may be empty.
class PublishedModel : public ModelSource {
 public:
  explicit PublishedModel(const ModelPaths& paths);
  /// What was asked for and not there: paths, or the flags that would have named them.
  std::vector<std::string> assumed() const;

  Json config(std::string_view component) const override;
  WeightMap weights(std::string_view component) const override;
  std::optional<Tokenizer> tokenizer(int) const override { return std::nullopt; }
  std::filesystem::path place(std::string_view component) const override {
    return files_.place(component);
  }
  bool is_whole() const override { return false; }

 private:
  void note(const std::filesystem::path& path, std::string_view component) const;

  ModelPaths given_;
  mutable std::vector<std::string> assumed_;
  DiffusersFolder files_;
};

}  // namespace semblance
