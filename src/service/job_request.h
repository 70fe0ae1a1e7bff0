// What a client asks the service for, in any of its APIs. Plain values, no queue and no model.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/request.h"
#include "service/http.h"

namespace semblance::service {

/// A photo in a request.
struct Photo {
  std::string name;                                 // the request's name for it, for errors
  std::string_view bytes = {};                      // the file, in the request's body; empty: none
  std::shared_ptr<const std::string> decoded = {};  // the file, if the body only encodes it

  void take(std::string file) {
    decoded = std::make_shared<const std::string>(std::move(file));
    bytes = *decoded;
  }
  void drop() { bytes = {}, decoded.reset(); }
};

/// Pictures of a person. The size, guidance and seed may be left open. Photos are dropped once they
/// are on disk.
struct JobRequest : Request {
  int count = 1;    // pictures
  int best_of = 1;  // are made for each; the most alike is kept
  Photo photo = {.name = "photo"};
  /// Of the same person, or of the people one after the other; the largest face in each.
  std::vector<Photo> more_photos = {};
  std::string identity = {};         // a saved one's name or id, instead of the photo
  int face = 0;                      // index in the photo, the largest first
  Photo pose = {.name = "pose"};     // its face's place replaces the photo's
  Photo initial = {.name = "init"};  // a picture to start from; then `strength` is set
  Photo mask = {.name = "mask"};     // of its part that is repainted
  /// Of request.controls, in their order.
  std::vector<Photo> control_pictures = {};
  std::vector<Photo> regions = {};  // masks of those people that have one
  bool keep_photo = false;
  std::string repeat_key = {};  // a repeated request with this key gets the same job; empty: none
  std::string digest = {};      // of the whole request, 64 hexadecimal digits; empty without a key
  bool begins_anew = false;     // ignores an older job with the same repeat_key
};

/// each_parameter() plus the rows of the counts.
template <typename F, typename... S>
constexpr void each_job_parameter(F&& f, S&... s) {
  each_parameter(f, s...);
  f(parameters::kCount, s.count...);
  f(parameters::kBestOf, s.best_of...);
}

/// What a picture of a ControlNet is called, in forms and in errors.
inline constexpr std::string_view kControlPart = "control";
/// And the mask of a person's region.
inline constexpr std::string_view kRegionPart = "region";

/// Throws HttpError 400 for a strength or mask without a picture to start from.
void check_initial(const JobRequest& request);
/// The same unless there is a picture for each ControlNet.
void check_control_pictures(const JobRequest& request);
/// The same unless there are the photos and masks that its people have.
void check_people(const JobRequest& request);

/// What errors call a photo, counted from 0: "the photo", "photo 2".
std::string photo_name(std::size_t n);

/// The service's limit of a parameter, as a whole number.
inline int most_of_job(const Parameter& row) {
  return static_cast<int>(most_of(row, Asker::kService));
}

/// A JSON response's text before and after its pictures, which are JSON values separated by commas.
struct ResponseFrame {
  std::string before;
  std::string after;
};

/// Throws HttpError 400 for values of `request` that no job may have.
void check_settings(
    const JobRequest& request,
    const ParameterNames& name_of = [](const Parameter& row) { return std::string(row.name); });

/// The same for a prompt, before it is copied anywhere.
void check_prompt(std::string_view field, std::string_view prompt);

/// HttpError 400 with code "argument": "cannot take FIELD: PROBLEM", with problem_of()'s text.
[[noreturn]] void refuse_value(std::string_view field, std::string_view problem);

/// HttpError 400 with code "argument": "cannot take FIELD: RULE, got VALUE".
[[noreturn]] void refuse_field(std::string_view field, std::string_view rule,
                               std::string_view got = {});

}  // namespace semblance::service
