// InstantID as in the ControlNet extension of AUTOMATIC1111's web UI: a unit for the face
// (ip-adapter_instant_id) and one for its keypoints (control_instant_id), each with a photo, a
// weight and a range of steps. Other units are ControlNets beside IdentityNet.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "service/job_request.h"
#include "service/long_strings.h"

namespace semblance::service {

class Fields;

/// The picture in base64 that a field of `fields` holds. Throws HttpError 400 if it is none.
void read_base64(const LongStringJson& json, const Fields& fields, std::string_view name,
                 const nlohmann::json& value, Photo& photo);

/// The units' paths in the request, "alwayson_scripts...args[0]"; empty if there is no such unit.
struct UnitPaths {
  std::string face = {};
  std::string points = {};
};

/// Reads "controlnet" in "alwayson_scripts", which check_scripts() has already checked, into the
/// photos, strengths and ControlNets of `request`. Throws HttpError 400 naming the field: for a
/// missing face unit or picture, and what a unit asks for that is not supported.
UnitPaths read_units(const LongStringJson& json, const nlohmann::json& scripts, JobRequest& request,
                     std::vector<std::string>& warnings);

}  // namespace semblance::service
