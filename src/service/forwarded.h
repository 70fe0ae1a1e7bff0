// A proxy's headers about the request that it forwards: X-Forwarded-For, -Proto and -Host, or
// Forwarded (RFC 7239). Access control decides whether to trust them.
#pragma once

#include <string>

#include "service/http.h"

namespace semblance::service {

/// Each is empty if nothing usable was sent. The last entry of a list counts, which is the proxy's
/// own; earlier ones come from others.
struct Forwarded {
  std::string client = {};  // numeric address; only from X-Forwarded-For: many proxies pass on a
                            // Forwarded that their client made up
  std::string scheme = {};  // "http" or "https"
  std::string host = {};    // as in a Host header, not checked
};
Forwarded forwarded_in(const HttpRequest& request);

/// A numeric address in the system's notation, so that two can be compared; "" if it is not one.
std::string plain_address(const std::string& text);

}  // namespace semblance::service
