// The parts of AUTOMATIC1111's "alwayson_scripts" beside controlnet, as its web UI and others hand
// them out with every request: most of them change nothing, and are taken where they do not.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "service/job_request.h"
#include "service/long_strings.h"

namespace semblance::service {

/// Reads "alwayson_scripts" (null, an object, or an empty list). "Sampler" and "Seed" may say what
/// the request says in `settings`, others must be off. Throws HttpError 400 naming the script or
/// the argument that would change the picture.
void check_scripts(const LongStringJson& json, const nlohmann::json& scripts,
                   const JobSettings& settings);

}  // namespace semblance::service
