// Who may ask, before anything of a request's body is read.
//
// A service on loopback can be reached by every page that a browser shows. So the Host must be a
// name of ours (a page cannot make its own name ours by rebinding it), the Origin must be our own
// or one that was allowed, and what the browser marks as coming from another site is refused. Where
// a key is set, it comes as `Authorization: Bearer KEY`, or as the cookie `semblance_key`, which
// POST /api/login sets and which only our own pages send.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "service/http.h"

namespace semblance::service {

struct GateOptions {
  std::string listen_address = {};      // what the server listens on: a name that is allowed, too
  std::vector<std::string> hosts = {};  // more names, as in "semblance.example"; a port is no part
  std::string key = {};                 // empty: none is needed
  std::vector<std::string> origins = {};  // other origins that may ask: "https://app.example:8443"
};

/// Immutable; for any thread.
class Gate {
 public:
  /// Throws Error(kArgument) for a host or an origin that is none, and for a key of other than 1 to
  /// 512 visible ASCII characters.
  explicit Gate(GateOptions options);

  bool has_key() const { return !options_.key.empty(); }

  /// The refusal of a request (403, or 401 for the key), or nothing where it may pass. `open`: a
  /// route for which no key is needed, and to which a link on another site may lead.
  std::optional<HttpResponse> refuse(const HttpRequest& request, bool open) const;

  /// The answer to OPTIONS, for a page of another origin (a CORS preflight) or for anyone.
  /// `methods`: those of the path.
  HttpResponse answer_options(const HttpRequest& request,
                              const std::vector<std::string>& methods) const;

  /// The headers that let a page of an allowed origin read the response.
  void add_cors_headers(const HttpRequest& request, HttpResponse& response) const;

  /// POST /api/login with {"key": "..."}: 204 and the cookie, 400, or 401. Where no key is needed,
  /// 204.
  HttpResponse login(const HttpRequest& request) const;

 private:
  bool allows_host(std::string_view host) const;
  bool allows_origin(std::string_view origin) const;
  bool has_valid_key(const HttpRequest& request) const;

  GateOptions options_;
};

/// Whether the two are the same, in a time that depends on the length of `given` alone.
bool same_secret(std::string_view given, std::string_view secret);

}  // namespace semblance::service
