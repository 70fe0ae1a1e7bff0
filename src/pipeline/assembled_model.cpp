#include "pipeline/assembled_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>

#include "core/error.h"
#include "models/clip.h"
#include "weights/checkpoint.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

// What the tensors of a component do not determine.
constexpr std::string_view kUNetSettings[] = {
    "attention_head_dim", "norm_num_groups", "norm_eps",   "sample_size",
    "downsample_padding", "flip_sin_to_cos", "freq_shift", "use_linear_projection"};
constexpr std::string_view kVaeSettings[] = {"norm_num_groups", "scaling_factor", "sample_size"};
constexpr std::string_view kClipSettings[] = {"num_attention_heads", "hidden_act", "eos_token_id",
                                              "layer_norm_eps"};

std::span<const std::string_view> settings_of(std::string_view component) {
  if (component == "unet") return kUNetSettings;
  if (component == "vae") return kVaeSettings;
  return kClipSettings;
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return !path.empty() && fs::is_regular_file(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return !path.empty() && fs::is_directory(path, ignored);
}

Json json_of(const std::string& name, const nlohmann::json& value) {
  return Json::parse(name, value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

/// What to do with a file that is not what a flag takes.
std::string way_out(const FileIdentity& identity, std::string_view expected) {
  switch (identity.kind) {
    case FileKind::kCheckpoint:
      return "--base takes SDXL checkpoints";
    case FileKind::kUNet:
      return "--unet takes UNets of SDXL";
    case FileKind::kVae:
      return "--vae takes it";
    case FileKind::kTextEncoders:
      return "--text-encoders takes it";
    case FileKind::kLora:
      return "--lora takes it, if it is one for SDXL";
    case FileKind::kTextualInversion:
      return "--embedding takes it, if it is one for SDXL";
    case FileKind::kFaceAdapter:
      return "--adapter takes InstantID's";
    case FileKind::kControlNet:
      return "--identitynet takes InstantID's, as a folder with its config.json";
    default:
      return fmt::format("expected {}", expected);
  }
}

[[noreturn]] void refuse(std::string_view flag, const SingleFile& file, std::string_view reason,
                         std::string_view expected) {
  fail(ErrorKind::kArgument, "cannot use {} {}: {}\n  {}", flag, file.name(), reason,
       way_out(file.identity(), expected));
}

std::shared_ptr<const SingleFile> open_file_of(std::string_view flag, const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    fail(ErrorKind::kMissing, "cannot open {} {}: it does not exist", flag, path.string());
  return std::make_shared<const SingleFile>(SingleFile::open(path));
}

/// A file with the model's UNet.
std::shared_ptr<const SingleFile> open_unet(std::string_view flag, const fs::path& path) {
  if (is_folder(path)) {
    fail(ErrorKind::kArgument, "cannot open {} {}: expected one file with a UNet, got a folder",
         flag, path.string());
  }
  auto file = open_file_of(flag, path);
  const std::string reason = reason_against_base(file->identity());
  if (!reason.empty()) refuse(flag, *file, reason, "an SDXL checkpoint");
  return file;
}

/// A part of another model has the same names, so only the rest of its file or its metadata say so.
void check_family(std::string_view flag, const SingleFile& file) {
  const ModelFamily family = file.identity().family;
  if (family == ModelFamily::kUnknown || family == ModelFamily::kSdxl ||
      family == ModelFamily::kSdxlRefiner)
    return;
  refuse(flag, file, fmt::format("it is {}: InstantID needs SDXL", file.identity().name),
         "one of SDXL");
}

}  // namespace

AssembledModel::AssembledModel(const ModelPaths& paths, std::unique_ptr<const ModelSource> others)
    : others_(std::move(others)), borrows_settings_(is_folder(paths.base)) {
  if (is_file(paths.base)) {
    base_ = open_unet("--base", paths.base);
    for (const FilePart& part : base_->identity().parts) take(base_, part.component);
  }
  if (!paths.unet.empty()) take(open_unet("--unet", paths.unet), "unet");
  if (!paths.vae.empty()) take_vae(paths.vae);
  if (!paths.text_encoders.empty()) take_text_encoders(paths.text_encoders);
  if (base_ && others_->is_whole()) check_complete();
}

void AssembledModel::take(const std::shared_ptr<const SingleFile>& file,
                          std::string_view component) {
  parts_.insert_or_assign(std::string(component), Part{file, {}});
}

void AssembledModel::take_vae(const fs::path& path) {
  if (is_folder(path)) {
    for (const fs::path& folder : {path, path / "vae"}) {
      if (!is_file(folder / "config.json")) continue;
      parts_.insert_or_assign("vae", Part{nullptr, folder});
      return;
    }
    fail(ErrorKind::kMissing,
         "cannot open --vae {}: it has no config.json\n  expected a diffusers folder of a VAE, or "
         "one file",
         path.string());
  }
  const auto file = open_file_of("--vae", path);
  if (!file->has("vae")) {
    refuse("--vae", *file, fmt::format("it is {}, without a VAE", file->identity().name),
           "a VAE of SDXL");
  }
  check_family("--vae", *file);
  take(file, "vae");
}

void AssembledModel::take_text_encoders(const fs::path& path) {
  constexpr std::string_view kFlag = "--text-encoders";
  constexpr std::array<std::string_view, 2> kEncoders{"text_encoder", "text_encoder_2"};
  if (!is_folder(path)) {
    const auto file = open_file_of(kFlag, path);
    for (const std::string_view component : kEncoders) {
      if (file->has(component)) take(file, component);
    }
    if (!file->has(kEncoders[0]) && !file->has(kEncoders[1])) {
      refuse(kFlag, *file, fmt::format("it is {}, without text encoders", file->identity().name),
             "text encoders of SDXL");
    }
    check_family(kFlag, *file);
    return;
  }
  text_folder_ = path;
  bool found = false;
  for (const std::string_view component : kEncoders) {
    if (!is_file(path / component / "config.json")) continue;
    parts_.insert_or_assign(std::string(component), Part{nullptr, path / component});
    found = true;
  }
  if (found) return;
  // A folder of files, as ComfyUI's models/text_encoders.
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    if (has_weight_extension(entry->path()) && is_file(entry->path()))
      files.push_back(entry->path());
  }
  std::ranges::sort(files);
  std::map<std::string_view, std::shared_ptr<const SingleFile>> taken;
  for (const fs::path& each : files) {
    const auto file = open_file_of(kFlag, each);
    if (file->identity().kind != FileKind::kTextEncoders) continue;
    for (const std::string_view component : kEncoders) {
      if (!file->has(component)) continue;
      const auto [place, is_new] = taken.emplace(component, file);
      if (!is_new) {
        fail(ErrorKind::kArgument,
             "cannot choose the {} text encoder in {} {}: {} and {} have one\n  give one file with "
             "both, or a folder with one file for each",
             component == kEncoders[0] ? "first" : "second", kFlag, path.string(),
             fs::path(place->second->name()).filename().string(), each.filename().string());
      }
      take(file, component);
    }
  }
  if (taken.empty()) {
    fail(ErrorKind::kMissing,
         "cannot open {} {}: it has no text encoders\n  expected text_encoder and text_encoder_2, "
         "each with config.json, or weight files",
         kFlag, path.string());
  }
}

std::vector<std::string> AssembledModel::lacking() const {
  std::vector<std::string> flags;
  if (!base_) return flags;
  if (find("vae") == nullptr) flags.emplace_back("--vae");
  if (find("text_encoder") == nullptr || find("text_encoder_2") == nullptr)
    flags.emplace_back("--text-encoders");
  return flags;
}

void AssembledModel::check_complete() const {
  const std::vector<std::string> flags = lacking();
  if (flags.empty()) return;
  std::vector<std::string_view> parts, ways;
  for (const std::string& flag : flags) {
    const bool is_vae = flag == "--vae";
    ways.push_back(is_vae ? "--vae FILE|DIR|NAME" : "--text-encoders DIR|FILE");
    parts.push_back(is_vae                              ? "no VAE"
                    : find("text_encoder") != nullptr   ? "no second text encoder"
                    : find("text_encoder_2") != nullptr ? "no first text encoder"
                                                        : "no text encoders");
  }
  fail(ErrorKind::kMissing, "cannot use --base {}: it is {} and has {}\n  give {}", base_->name(),
       base_->identity().name, fmt::join(parts, " and "), fmt::join(ways, " and "));
}

const AssembledModel::Part* AssembledModel::find(std::string_view component) const {
  const auto found = parts_.find(component);
  return found == parts_.end() ? nullptr : &found->second;
}

std::optional<std::int64_t> AssembledModel::pooled_channels() const {
  return clip_config(config("text_encoder_2")).projection;
}

/// A UNet's file can say what the UNet predicts.
Json AssembledModel::scheduler() const {
  const Part* unet = find("unet");
  if (base_) return unet->file->config("scheduler");
  const Json folders = others_->config("scheduler");
  if (unet == nullptr || (unet->file->identity().prediction == UNetPrediction::kUnsaid &&
                          !unet->file->identity().zero_snr))
    return folders;
  const Json said = unet->file->config("scheduler");
  nlohmann::json all = folders.value();
  all["prediction_type"] = said.value()["prediction_type"];
  for (const char* key : {"rescale_betas_zero_snr", "timestep_spacing"}) {
    if (unet->file->identity().zero_snr) all[key] = said.value()[key];
  }
  return json_of(folders.file(), all);
}

Json AssembledModel::config(std::string_view component) const {
  if (component == "scheduler") return scheduler();
  if (base_ && (component == "model_index" || component == "generation"))
    return Json::parse(base_->name(), "{}");
  const Part* part = find(component);
  if (part == nullptr) return others_->config(component);
  if (!part->file) return Json::load(part->folder / "config.json").expect_object();
  const Json inferred =
      part->file->config(component, component == "unet" ? pooled_channels() : std::nullopt);
  if (!borrows_settings_) return inferred;
  const Json base = others_->config(component);
  nlohmann::json all = inferred.value();
  for (const std::string_view name : settings_of(component)) {
    const std::string key(name);
    all.erase(key);
    if (base.has(key)) all[key] = base.value().at(key);
  }
  return json_of(part->file->name(), all);
}

WeightMap AssembledModel::weights(std::string_view component) const {
  const Part* part = find(component);
  if (part == nullptr) return others_->weights(component);
  return part->file ? part->file->weights(component) : open_folder(component, part->folder);
}

std::optional<Tokenizer> AssembledModel::tokenizer(int encoder) const {
  const fs::path given = text_folder_ / (encoder == 0 ? "tokenizer" : "tokenizer_2");
  if (!is_whole()) return std::nullopt;
  if (!text_folder_.empty() && is_folder(given)) return Tokenizer::load(given);
  return base_ ? Tokenizer::clip(encoder) : others_->tokenizer(encoder);
}

fs::path AssembledModel::place(std::string_view component) const {
  if (const Part* part = find(component); part != nullptr)
    return part->file ? fs::path(part->file->name()) : part->folder;
  const bool is_others = component == "identitynet" || component == "adapter";
  return base_ && !is_others ? fs::path(base_->name()) : others_->place(component);
}

std::vector<fs::path> AssembledModel::settings(std::string_view component) const {
  if (component.starts_with("tokenizer") && !text_folder_.empty() &&
      is_folder(text_folder_ / component))
    return tokenizer_files(text_folder_ / component);
  if (const Part* part = find(component); part != nullptr) {
    if (!part->file) return {part->folder / "config.json"};
    return borrows_settings_ ? others_->settings(component) : std::vector<fs::path>();
  }
  const bool is_others = component == "identitynet" || component == "adapter";
  return base_ && !is_others ? std::vector<fs::path>() : others_->settings(component);
}

std::unique_ptr<const ModelSource> open_source(const ModelPaths& paths) {
  const bool is_single = is_file(paths.base);
  ModelPaths folders = paths;
  if (is_single) folders.base.clear();
  auto folder = std::make_unique<const DiffusersFolder>(folders);
  is_single ? folder->check_others() : folder->check();
  if (!is_single && paths.unet.empty() && paths.vae.empty() && paths.text_encoders.empty())
    return folder;
  return std::make_unique<const AssembledModel>(paths, std::move(folder));
}

}  // namespace semblance
