// A job's settings in JSON, and as a request to the pipeline.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "image/image.h"
#include "pipeline/request.h"
#include "service/job_request.h"

namespace semblance::service {

/// Reads an object with "prompt" and any of the other parameters, by their rows' names. null counts
/// as absent. Throws HttpError(400) with the key as param: for an unknown key, a wrong type, or a
/// value that no job may have.
JobSettings parse_settings(std::string_view json);
JobSettings read_settings(const nlohmann::json& json);
nlohmann::json to_json(const JobSettings& settings);

/// The first picture's request. Its sides are 0 if the settings leave them to the photo; its
/// guidance is the model's unless the settings have one.
Request request_of(const JobSettings& settings, double native_guidance);

/// The pictures' size for a photo of size `frame`. Throws Error(kArgument) if the size is left to
/// the photo and its shape makes a side longer than a job may have.
Size size_of(const JobSettings& settings, Size frame, int native_side);

}  // namespace semblance::service
