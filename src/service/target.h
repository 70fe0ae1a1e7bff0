// Splits a request's target, "/api/jobs?limit=50", into path and query. Targets are untrusted.
// Not libcurl's URL parser: that library is opened only for downloads, and repairs what is refused
// here.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace semblance::service {

struct Target {
  std::string path = {};                          // as in HttpRequest
  std::map<std::string, std::string> query = {};  // '+' is a space
};

/// Throws Error(kArgument) for bad percent coding, invalid UTF-8, control characters, "." and ".."
/// as parts of the path, backslashes and encoded slashes.
Target parse_target(std::string_view target);

}  // namespace semblance::service
