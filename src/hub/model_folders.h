// Folders of model files as AUTOMATIC1111's web UI (models/Stable-diffusion, models/Lora,
// embeddings, ...) and ComfyUI (models/checkpoints, models/loras, ...) lay them out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace semblance {

enum class ModelKind : std::uint8_t {
  kCheckpoint,
  kUNet,
  kVae,
  kTextEncoders,
  kLora,
  kControlNet,
  kEmbedding,
  kLoose,  // a file in the folder itself
};

/// "checkpoint", "UNet", "VAE", ...
std::string_view title_of(ModelKind kind);

/// A weight file in such a folder.
struct ModelFile {
  ModelKind kind = ModelKind::kLoose;  // by its folder
  std::string name;                    // relative to the kind's folder, without the extension
  std::filesystem::path path;
  std::uint64_t bytes = 0;
};

/// What a file is by its tensors' names ("an SDXL checkpoint"), or why it cannot be read.
std::string content_of(const std::filesystem::path& file);

/// Whether a file is a whole SDXL model: with a UNet, a VAE and text encoders.
bool is_checkpoint(const std::filesystem::path& file);

class ModelFolders {
 public:
  /// `root`: an installation of either program, its folder "models", or any folder that has some of
  /// these folders or loose files. Throws Error(kMissing) if it is no folder; `flag` is for
  /// messages.
  ModelFolders(std::filesystem::path root, std::string flag);

  /// The existing folders of a kind.
  std::vector<std::filesystem::path> folders(ModelKind kind) const;
  /// All weight files, links followed, sorted by kind and name.
  std::vector<ModelFile> files() const;
  /// The file of one of these kinds, or loose, with a name: with or without extension, alone or
  /// with the folders inside the kind's; nullopt if there is none. Throws Error(kArgument) if
  /// several have it.
  std::optional<std::filesystem::path> find(std::span<const ModelKind> kinds,
                                            std::string_view name) const;
  /// ", did you mean X?" with the closest name of these kinds, or an empty text.
  std::string closest(std::span<const ModelKind> kinds, std::string_view name) const;

 private:
  void add_files(ModelKind kind, const std::filesystem::path& folder, bool nested,
                 std::vector<ModelFile>& files) const;
  std::vector<ModelFile> files_of(ModelKind kind) const;

  std::filesystem::path root_;
  std::string flag_;
};

}  // namespace semblance
