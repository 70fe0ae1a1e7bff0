// InstantID as in the ControlNet extension of AUTOMATIC1111's web UI: a unit for the face
// (ip-adapter_instant_id) and one for its keypoints (control_instant_id), each with a photo, a
// weight and a range of steps.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "service/long_strings.h"

namespace semblance::service {

struct InstantIdUnits {
  std::string photo = {};                // the face unit's photo, a file's bytes
  std::optional<std::string> pose = {};  // the points unit's, if it has its own
  double adapter_strength = 1;           // the face unit's weight
  double identity_strength = 0;          // the points unit's; without one IdentityNet is off
  double identity_start = 0;
  double identity_end = 1;
  std::string face_path = {};    // the unit's path in the request: "alwayson_scripts...args[0]"
  std::string points_path = {};  // empty if there is no such unit
  std::string photo_name = {};   // paths of the fields with the photos
  std::string pose_name = {};
  std::vector<std::string> warnings = {};
};

/// Reads "controlnet" in "alwayson_scripts", which check_scripts() has already checked. Throws
/// HttpError 400 naming the field: for a missing face unit or photo, other units that are on, and
/// what a unit asks for that is not supported.
InstantIdUnits read_units(const LongStringJson& json, const nlohmann::json& scripts);

}  // namespace semblance::service
