// Splits a multipart/form-data body (RFC 7578) into its parts.
// Not a library's: they copy the parts, photos of 16 MiB among them; these point into the body.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace semblance::service {

struct Part {
  std::string name = {};
  std::optional<std::string> filename = {};  // the client's text; never used as a path
  std::string type = "text/plain";  // Content-Type of the part, without parameters, lower case
  std::string_view data = {};       // points into the body, which must outlive the parts
};

/// At most 64 parts with 4 KiB of headers each. Names may repeat (image[]). Throws Error(kArgument)
/// for malformed input and for other content types.
std::vector<Part> parse_multipart(std::string_view content_type, std::string_view body);

/// The part of that name, or null. Throws Error(kArgument) if there is more than one.
const Part* find_part(const std::vector<Part>& parts, std::string_view name);

/// Throws Error(kArgument) naming the first part that is not in `names`: no input is silently
/// ignored.
void expect_parts(const std::vector<Part>& parts, const std::vector<std::string_view>& names);

}  // namespace semblance::service
