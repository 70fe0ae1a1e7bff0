// The flags that `generate` and `plan` share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "app/subject.h"
#include "cli/device_flags.h"
#include "cli/flags.h"
#include "cli/model_flags.h"
#include "cli/photo_flags.h"
#include "cli/prompt_flags.h"
#include "core/messages.h"
#include "memory/budget.h"
#include "pipeline/request.h"

namespace semblance::cli {

/// Values of --backend.
inline constexpr const char* kBackends[] = {"cpu", "ref"};

struct RequestSettings {
  ModelPaths models;
  PhotoFlags looking;
  std::vector<std::filesystem::path> faces;  // photos and identities of one person
  std::filesystem::path pose;
  Request request;
  ModelPlaces places;
  PromptFlags prompts;
  SizeChoice size;
  int images = 1;
  int best_of = 1;
  int precision = 0;  // index into Precision's names
  int backend = 0;
  DeviceFlags where;
  std::int64_t threads = 0;
  std::filesystem::path output;
  std::filesystem::path latents;
  std::filesystem::path resume;
  std::filesystem::path save_state;
  bool no_metadata = false;
  bool json = false;  // of `generate`
  MemoryRequest memory;
  std::filesystem::path scratch;
  bool no_spill = false;
  std::filesystem::path trace;
  Language language = Language::kEnglish;
  bool quiet = false;

  /// For backend_by_name(), once find_device() has been called.
  std::string backend_name() const {
    return where.is_processor() ? kBackends[backend] : where.device;
  }
  int picture_count() const { return images * prompts.count(); }
  /// What sets the position of the face and the picture's shape; empty without a person.
  std::filesystem::path framed() const {
    return pose.empty() && !faces.empty() ? faces.front() : pose;
  }
  /// All photos and identities, in the order in which they are read.
  std::vector<std::filesystem::path> photos() const {
    std::vector<std::filesystem::path> all = faces;
    if (!pose.empty()) all.push_back(pose);
    return all;
  }
};

/// Declares --embedding.
void declare_embeddings(Flags& flags, ModelPaths& models);
/// Declares all flags.
void declare_request(Flags& flags, RequestSettings& s);

/// Replaces model names by paths (hub/resolve.h).
void find_models(RequestSettings& s, IfMissing if_missing);

/// DeviceFlags::find(), with --backend.
void find_device(RequestSettings& s, const Flags& flags);

/// Turns the names of LoRA files in the working folder into paths; all others are names.
void locate_loras(RequestSettings& s);

/// Throws Error(kArgument) for values that are invalid at any size.
void check_request(const RequestSettings& s);

/// The flags of all parameters: "--prompt", "--size", ...
std::vector<std::string> flags_of_parameters();

}  // namespace semblance::cli
