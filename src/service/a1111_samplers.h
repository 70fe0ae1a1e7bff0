// The samplers and schedulers of AUTOMATIC1111's API: its names, and what they mean here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "service/a1111_fields.h"
#include "service/job_request.h"

namespace semblance::service {

/// Sets how the picture is sampled from sampler_name (or the older sampler_index) and scheduler, as
/// that program would: Euler by default, its own curve for each sampler, linspace spacing. Drops
/// the request's eta if the sampler has none. A sampler that Semblance lacks becomes the nearest,
/// an unknown scheduler Automatic, each with a warning. Throws HttpError 400 for a name of no
/// sampler.
void read_sampler(const Fields& body, JobRequest& request, std::vector<std::string>& warnings);

/// Whether a name is that of the request's sampler or curve, in some spelling, or says nothing.
bool is_sampler_of(const JobRequest& request, std::string_view name);
bool is_scheduler_of(const JobRequest& request, std::string_view name);

/// "DPM++ 2M" and "Karras": the request's, after read_sampler().
std::string_view sampler_title(const JobRequest& request);
std::string_view scheduler_title(const JobRequest& request);

/// Of /sdapi/v1/samplers and /sdapi/v1/schedulers.
std::string samplers_response();
std::string schedulers_response();

}  // namespace semblance::service
