// The flags that `generate` and `plan` share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "app/initial_picture.h"
#include "app/people.h"
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

/// The value of --mask that covers the face.
inline constexpr std::string_view kFaceMask = "face";

struct RequestSettings {
  ModelPaths models;
  PhotoFlags looking;
  std::vector<std::filesystem::path> faces;  // photos and identities of one person
  std::filesystem::path pose;
  std::filesystem::path people_file;  // of several people: app/people.h
  bool people_from_pose = false;      // each of `faces` is another person
  std::filesystem::path initial;      // the picture to start from
  std::filesystem::path mask;         // of its part that is repainted, or kFaceMask
  std::int64_t pick = 1;              // which of its faces, the largest first
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
  /// What sets the position of the face and the picture's shape; empty without a person, and for
  /// people without a pose.
  std::filesystem::path framed() const {
    if (is_posed()) return pose.empty() ? initial : pose;
    return faces.empty() || has_people() ? std::filesystem::path() : faces.front();
  }
  bool has_people() const { return !request.people.empty(); }
  /// Whether another file than the person's sets the position of the face.
  bool is_posed() const { return !pose.empty() || !initial.empty(); }
  /// All photos and identities, in the order in which they are read.
  std::vector<std::filesystem::path> photos() const {
    std::vector<std::filesystem::path> all = has_people() ? photos_of_people(request) : faces;
    if (is_posed()) all.push_back(framed());
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

/// Turns the names of ControlNets in the working folder into paths; all others are names.
void locate_controls(RequestSettings& s);

/// Throws Error(kArgument) for a ControlNet without a picture, and what opening that throws.
void check_controls(const RequestSettings& s);

/// Fills in the request's people. Throws Error(kArgument) for flags that contradict each other, and
/// what read_people() throws.
void take_people(RequestSettings& s);

/// How many photos there are of each person.
std::vector<int> photo_counts(const RequestSettings& s, const SubjectReader& reader);

/// The picture to start from, if there is one. Sets the default strength, and that there is a mask.
/// Throws Error(kArgument) for --strength or --mask without --init, and what opening the files
/// throws.
std::optional<InitialPicture> take_initial(RequestSettings& s);

/// The size to compute; `native_side`: of the model, for a picture without any photo.
Size size_of_picture(const RequestSettings& s, const std::optional<InitialPicture>& initial,
                     const SubjectReader& reader, int native_side);

/// The stages of reading the photos, the picture to start from and those of the ControlNets.
/// `request` is complete.
std::vector<Stage> stages_before(const RequestSettings& s,
                                 const std::optional<InitialPicture>& initial,
                                 SubjectReader& reader, const Request& request);

/// Throws Error(kArgument) for values that are invalid at any size.
void check_request(const RequestSettings& s);

/// The flags of all parameters: "--prompt", "--size", ...
std::vector<std::string> flags_of_parameters();

}  // namespace semblance::cli
