// The table of parameters (pipeline/request.h) as the page and the API's document have it.
#pragma once

#include <string>
#include <string_view>

namespace semblance::service {

/// A JSON list of what the page asks for, in the order of its groups: "name", "kind" (text, whole,
/// number, seed, switch), "title" and "help" by language, "least", "most" and "multiple_of" where
/// there is a range, "default" (null where the service or the photo chooses), and of a dial "place"
/// (dials, finer) with its slider's "from", "to" and "step". Limits are the service's.
std::string parameters_json();

/// An OpenAPI document with the parameters in their places: all of them in the schema Settings and
/// in the bodies of /v1/images/edits, the limits in that of /sdapi/v1/txt2img.
std::string with_parameters(std::string_view document);

}  // namespace semblance::service
