// A request's target, "/api/jobs?limit=50", into path and query. Targets are hostile.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace semblance::service {

struct Target {
  std::string path = {};                          // as HttpRequest has it
  std::map<std::string, std::string> query = {};  // '+' is a space
};

/// Throws Error(kArgument) for what is no path of ours: a bad percent-encoding, no UTF-8, control
/// characters, "." and ".." as parts, backslashes and encoded slashes.
Target parse_target(std::string_view target);

}  // namespace semblance::service
