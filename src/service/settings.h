// A job's settings in JSON, and as a request to the pipeline.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "app/initial_picture.h"
#include "app/settings_json.h"
#include "image/image.h"
#include "pipeline/request_defaults.h"
#include "service/job_request.h"

namespace semblance::service {

/// Reads an object with "prompt" and any of the other parameters, by their rows' names. null counts
/// as absent. Throws HttpError(400) with the key as param: for an unknown key, a wrong type, or a
/// value that no job may have.
JobRequest parse_settings(std::string_view json);
JobRequest read_settings(const nlohmann::json& json);
nlohmann::json to_json(const JobRequest& settings);

/// Sets a parameter other than a text to a JSON value. Throws HttpError(400) naming `field` for a
/// value that no job may have; `shown`: the value as shown in errors.
template <typename T>
void read_parameter(const Parameter& row, std::string_view field, const nlohmann::json& value,
                    std::string_view shown, T& member) {
  PlainOf<T> read{};
  if (!read_json(value, read))
    refuse_value(field, expected(rule_of(row, kind_of<T>(), Asker::kService), shown));
  if (const auto problem = problem_of(row, read, Asker::kService)) refuse_value(field, *problem);
  member = read;
}

/// The first picture's request, completed. Its sides are 0 if the settings leave them to the photo.
Request request_of(const JobRequest& settings, const RequestDefaults& defaults);

/// The pictures' size for a photo of size `frame`. Throws Error(kArgument) if the size is left to
/// the photo and its shape makes a side longer than a job may have.
Size size_of(const JobRequest& settings, Size frame, int native_side);
/// The size to compute for a picture that starts from another. Throws like size_of(), and what
/// InitialPicture::size() throws.
Size size_from(const InitialPicture& initial, const Request& settings, int native_side);

}  // namespace semblance::service
