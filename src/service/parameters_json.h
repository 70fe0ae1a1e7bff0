// The table of parameters (pipeline/request.h) as JSON for the page and for the API's document.
#pragma once

#include <string>
#include <string_view>

namespace semblance::service {

/// A JSON list of the page's parameters, in the order of its groups: "name", "kind" (text, whole,
/// number, seed, switch, list, choice), "title" and "help" by language, "least", "most" and
/// "multiple_of" if there is a range, "choices" with "name" and "title", "default" (null if there
/// is none, which is "absent" in words), and for a dial "place" (dials, finer, initial, mask) and
/// its slider's "from", "to" and "step", with "start" if there is no default. A switch has "start":
/// whether the page begins with it on. A list has "most". Limits are the service's.
std::string parameters_json();

/// Adds the parameters to an OpenAPI document: all of them to the schema Settings and to the bodies
/// of /v1/images/edits and generations, the limits to the body of /sdapi/v1/txt2img.
std::string with_parameters(std::string_view document);

}  // namespace semblance::service
