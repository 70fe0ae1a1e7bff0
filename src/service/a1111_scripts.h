// The scripts in AUTOMATIC1111's "alwayson_scripts" other than controlnet. Its web UI and others
// send them with every request; they are accepted where they change nothing, as most do.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "service/job_request.h"
#include "service/long_strings.h"

namespace semblance::service {

/// Whether this names a sampler that exists, in any spelling, or is empty.
bool is_sampler(std::string_view name);
/// "expected Euler": for refusals.
std::string samplers_rule();
/// Whether this names the model's own scheduler, or is empty.
bool is_automatic(std::string_view name);

/// Checks "alwayson_scripts" (null, an object, or an empty list). "Sampler" and "Seed" must agree
/// with the request's `settings`; others must be off. Throws HttpError 400 naming the script or the
/// argument that would change the picture.
void check_scripts(const LongStringJson& json, const nlohmann::json& scripts,
                   const JobRequest& settings);

}  // namespace semblance::service
