// The settings of a job, as JSON has them, and as the pipeline takes them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "image/image.h"
#include "pipeline/request.h"
#include "service/job_request.h"

namespace semblance::service {

/// Reads an object with "prompt" and any of the other parameters, by their rows' names. null is as
/// absent. Throws HttpError(400) whose param is the key: one that is unknown, of a wrong type, or
/// of a value that no job can have.
JobSettings parse_settings(std::string_view json);
JobSettings read_settings(const nlohmann::json& json);
nlohmann::json to_json(const JobSettings& settings);

/// The first picture's request; its sides are 0 where the settings leave them to the photo, its
/// guidance is the model's where they name none.
Request request_of(const JobSettings& settings, double native_guidance);

/// The pictures' size where the face stands in a picture of `frame`. Throws Error(kArgument) where
/// the settings leave it to the photo, and its shape makes a side longer than a job can have.
Size size_of(const JobSettings& settings, Size frame, int native_side);

}  // namespace semblance::service
