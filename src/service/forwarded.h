// What a proxy says of the request that it hands on: in X-Forwarded-For, -Proto and -Host, or in
// Forwarded (RFC 7239). Whether it is to be believed is the gate's matter.
#pragma once

#include <string>

#include "service/http.h"

namespace semblance::service {

/// Each empty where nothing usable is said. Of a list the last entry counts, which is the proxy's
/// own; those before it are what others said.
struct Forwarded {
  std::string client = {};  // an address in numbers; by X-Forwarded-For alone: many proxies hand on
                            // a Forwarded that their client made up
  std::string scheme = {};  // "http" or "https"
  std::string host = {};    // as a Host header has it, not checked
};
Forwarded forwarded_in(const HttpRequest& request);

/// The text of an address in numbers as the system writes it, so that two can be compared; "" where
/// it is none.
std::string plain_address(const std::string& text);

}  // namespace semblance::service
