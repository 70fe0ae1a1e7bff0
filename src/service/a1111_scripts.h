// The scripts in AUTOMATIC1111's "alwayson_scripts" other than controlnet. Its web UI and others
// send them with every request; they are accepted where they change nothing, as most do.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "service/job_request.h"
#include "service/long_strings.h"

namespace semblance::service {

/// Checks "alwayson_scripts" (null, an object, or an empty list). "Sampler" and "Seed" must agree
/// with the request's `settings`; others must be off. Throws HttpError 400 naming the script or the
/// argument that would change the picture.
void check_scripts(const LongStringJson& json, const nlohmann::json& scripts,
                   const JobRequest& settings);

}  // namespace semblance::service
