// InstantID as the ControlNet extension of AUTOMATIC1111's web UI has it: a unit for the face
// (ip-adapter_instant_id) and one for its points (control_instant_id), each with a photo, a weight
// and a window.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "service/long_strings.h"

namespace semblance::service {

struct InstantIdUnits {
  std::string photo = {};                // the face unit's picture, a file's bytes
  std::optional<std::string> pose = {};  // the points unit's, where it has one of its own
  double adapter_strength = 1;           // the face unit's weight
  double identity_strength = 0;          // the points unit's; without one IdentityNet is off
  double identity_start = 0;
  double identity_end = 1;
  std::string face_path = {};    // of the units in the request: "alwayson_scripts...args[0]"
  std::string points_path = {};  // empty where there is none
  std::string photo_name = {};   // of the fields with the pictures
  std::string pose_name = {};
  std::vector<std::string> warnings = {};
};

/// Reads "controlnet" in "alwayson_scripts", which check_scripts() has seen. Throws HttpError 400
/// naming the field: where there is no face unit with a photo, for other units that are on, and for
/// what a unit asks for and is not here.
InstantIdUnits read_units(const LongStringJson& json, const nlohmann::json& scripts);

}  // namespace semblance::service
