// A body of multipart/form-data (RFC 7578) into its parts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace semblance::service {

struct Part {
  std::string name = {};
  std::optional<std::string> filename = {};  // as the client gave it: a text, never a path to open
  std::string type = "text/plain";  // Content-Type of the part, without parameters, lower case
  std::string_view data = {};       // into the body, which must outlive the parts
};

/// At most 64 parts, 4 KiB of headers each. Names may come twice (image[]). Throws Error(kArgument)
/// that says what is wrong, for another content type too.
std::vector<Part> parse_multipart(std::string_view content_type, std::string_view body);

/// The part of that name, or none. Throws Error(kArgument) where there is more than one.
const Part* find_part(const std::vector<Part>& parts, std::string_view name);

/// Throws Error(kArgument) naming the first part whose name is not in `names`: what a client gives
/// is never silently dropped.
void expect_parts(const std::vector<Part>& parts, const std::vector<std::string_view>& names);

}  // namespace semblance::service
