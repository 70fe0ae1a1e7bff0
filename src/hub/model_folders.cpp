#include "hub/model_folders.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/closest.h"
#include "core/error.h"
#include "weights/checkpoint.h"
#include "weights/identify.h"
#include "weights/names.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr int kMostDepth = 6;  // of folders
constexpr std::size_t kMostFiles = 50'000;

/// The names of the kinds' folders in both programs.
struct FolderRow {
  ModelKind kind;
  std::string_view name;
};
constexpr FolderRow kFolders[] = {
    {ModelKind::kCheckpoint, "Stable-diffusion"},
    {ModelKind::kCheckpoint, "checkpoints"},
    {ModelKind::kUNet, "unet"},
    {ModelKind::kUNet, "diffusion_models"},
    {ModelKind::kVae, "VAE"},
    {ModelKind::kVae, "vae"},
    {ModelKind::kTextEncoders, "text_encoder"},
    {ModelKind::kTextEncoders, "text_encoders"},
    {ModelKind::kTextEncoders, "clip"},
    {ModelKind::kLora, "Lora"},
    {ModelKind::kLora, "LyCORIS"},
    {ModelKind::kLora, "loras"},
    {ModelKind::kControlNet, "ControlNet"},
    {ModelKind::kControlNet, "controlnet"},
    {ModelKind::kEmbedding, "embeddings"},
};
constexpr std::array kKinds{ModelKind::kCheckpoint,   ModelKind::kUNet, ModelKind::kVae,
                            ModelKind::kTextEncoders, ModelKind::kLora, ModelKind::kControlNet,
                            ModelKind::kEmbedding,    ModelKind::kLoose};

/// "sub/film" or "film" for "sub/film.safetensors".
bool has_name(const ModelFile& file, std::string_view name) {
  const std::string extension = file.path.extension().string();
  if (name.ends_with(extension)) name.remove_suffix(extension.size());
  return file.name == name || file.path.stem() == name;
}

}  // namespace

std::string_view title_of(ModelKind kind) {
  switch (kind) {
    case ModelKind::kCheckpoint:
      return "checkpoint";
    case ModelKind::kUNet:
      return "UNet";
    case ModelKind::kVae:
      return "VAE";
    case ModelKind::kTextEncoders:
      return "text encoders";
    case ModelKind::kLora:
      return "LoRA";
    case ModelKind::kControlNet:
      return "ControlNet";
    case ModelKind::kEmbedding:
      return "embedding";
    case ModelKind::kLoose:
      break;
  }
  return "loose";
}

std::string content_of(const fs::path& file) {
  try {
    return identify(open_weight_file(file)).name;
  } catch (const Error& error) {
    const std::string text = error.what();
    return "unreadable: " + text.substr(0, text.find('\n'));
  }
}

bool is_checkpoint(const fs::path& file) {
  try {
    const FileIdentity identity = identify(open_weight_file(file));
    return reason_against_base(identity).empty() && identity.has("vae") &&
           identity.has("text_encoder") && identity.has("text_encoder_2");
  } catch (const Error&) {
    return false;
  }
}

ModelFolders::ModelFolders(fs::path root, std::string flag)
    : root_(std::move(root)), flag_(std::move(flag)) {
  std::error_code ignored;
  if (fs::is_directory(root_, ignored)) return;
  fail(
      ErrorKind::kMissing,
      "cannot open {} {}: it is no folder\n  give the folder of AUTOMATIC1111's web UI or ComfyUI, "
      "or one with folders such as checkpoints, loras and vae",
      flag_, root_.string());
}

std::vector<fs::path> ModelFolders::folders(ModelKind kind) const {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const fs::path& parent : {root_, root_ / "models"}) {
    for (const FolderRow& row : kFolders) {
      const fs::path folder = parent / row.name;
      if (row.kind != kind || !fs::is_directory(folder, ignored)) continue;
      const auto is_same = [&](const fs::path& other) {
        return fs::equivalent(folder, other, ignored);
      };
      if (std::ranges::none_of(found, is_same)) found.push_back(folder);
    }
  }
  return found;
}

void ModelFolders::add_files(ModelKind kind, const fs::path& folder, bool nested,
                             std::vector<ModelFile>& files) const {
  std::error_code error;
  const auto options = fs::directory_options::skip_permission_denied |
                       fs::directory_options::follow_directory_symlink;
  for (fs::recursive_directory_iterator entry(folder, options, error), end;
       !error && entry != end && files.size() < kMostFiles; entry.increment(error)) {
    if (!nested || entry.depth() >= kMostDepth) entry.disable_recursion_pending();
    std::error_code ignored;
    const fs::path& path = entry->path();
    if (!has_weight_extension(path) || !entry->is_regular_file(ignored)) continue;
    const fs::path relative = path.lexically_relative(folder);
    files.push_back({kind, (relative.parent_path() / relative.stem()).string(), path,
                     entry->file_size(ignored)});
  }
}

std::vector<ModelFile> ModelFolders::files_of(ModelKind kind) const {
  std::vector<ModelFile> files;
  if (kind == ModelKind::kLoose) {
    add_files(kind, root_, false, files);
  } else {
    for (const fs::path& folder : folders(kind)) add_files(kind, folder, true, files);
  }
  std::ranges::sort(files, {}, &ModelFile::path);
  return files;
}

std::vector<ModelFile> ModelFolders::files() const {
  std::vector<ModelFile> all;
  for (const ModelKind kind : kKinds) {
    std::vector<ModelFile> files = files_of(kind);
    std::ranges::move(files, std::back_inserter(all));
  }
  return all;
}

std::optional<fs::path> ModelFolders::find(std::span<const ModelKind> kinds,
                                           std::string_view name) const {
  std::vector<ModelKind> all(kinds.begin(), kinds.end());
  all.push_back(ModelKind::kLoose);
  for (const ModelKind kind : all) {
    std::vector<fs::path> found;
    for (const ModelFile& file : files_of(kind)) {
      if (has_name(file, name)) found.push_back(file.path);
    }
    if (found.size() > 1) {
      fail(ErrorKind::kArgument,
           "cannot choose '{}' in {} {}: two files have that name, {} and {}\n  give the name with "
           "its extension and folder, or a path",
           printable(name), flag_, root_.string(), found[0].lexically_relative(root_).string(),
           found[1].lexically_relative(root_).string());
    }
    if (!found.empty()) return found.front();
  }
  return std::nullopt;
}

std::string ModelFolders::closest(std::span<const ModelKind> kinds, std::string_view name) const {
  std::vector<std::string> names;
  for (const ModelKind kind : kinds) {
    for (const ModelFile& file : files_of(kind)) names.push_back(file.path.stem().string());
  }
  const std::vector<std::string_view> words(names.begin(), names.end());
  return did_you_mean(name, words);
}

}  // namespace semblance
