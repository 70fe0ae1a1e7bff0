// Access control, before a request's body is read.
//
// Any page in a browser can reach a service on loopback. So the Host must be one of the service's
// names (which defeats DNS rebinding), the Origin must be the service's own or an allowed one, and
// what the browser marks as coming from another site is refused. If a key is set, it must be sent
// as `Authorization: Bearer KEY`, as the password of `Authorization: Basic ...`, or exchanged at
// POST /api/login for a session: its cookie `semblance_session` is random, and only the service's
// own pages send it. Guessing is slowed down (login.h), and each wrong key is logged. A signed link
// (links.h) needs no key and works on any page.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "service/http.h"
#include "service/links.h"
#include "service/login.h"

namespace semblance::service {

struct AccessOptions {
  std::string listen_address = {};        // the server's address, an allowed host
  std::vector<std::string> hosts = {};    // more allowed hosts, without port: "semblance.example"
  std::string key = {};                   // empty: no key is required
  std::vector<std::string> origins = {};  // other allowed origins: "https://app.example:8443"
  std::string public_url = {};  // "https://semblance.example": links' beginning, an allowed host
  std::vector<std::string> proxies = {};                // addresses of trusted proxies
  const Links* links = nullptr;                         // must outlive the object
  std::function<Clock::time_point()> now = Clock::now;  // for tests
};

/// A key's length; it has visible ASCII characters, no spaces.
inline constexpr std::size_t kLeastKey = 16;
inline constexpr std::size_t kMostKey = 512;
/// Throws Error(kArgument) for any other key.
void check_key(std::string_view key);

/// Any thread.
class AccessControl {
 public:
  /// Throws Error(kArgument) for a malformed host, origin, proxy, URL or key.
  explicit AccessControl(AccessOptions options);

  bool has_key() const { return !options_.key.empty(); }

  /// Sets `request.client` and `request.origin`. `address`: the connection's. X-Forwarded-For is
  /// trusted from proxies and from this machine; the forwarded scheme and host only from proxies,
  /// and a host only if it is one of the service's names: many proxies pass on what their client
  /// made up. A public URL overrides the origin.
  void identify(HttpRequest& request, const std::string& address) const;

  /// The refusal of a request (403; for the key 401, and 429 after too many wrong ones), or nothing
  /// if it may pass, as a signed link does from any page. `open`: the route needs no key, and other
  /// sites may link to it.
  std::optional<HttpResponse> refuse(const HttpRequest& request, bool open) const;

  /// The answer to OPTIONS, whether a CORS preflight or not. `methods`: the path's.
  HttpResponse answer_options(const HttpRequest& request,
                              const std::vector<std::string>& methods) const;

  /// Adds the headers that let a page of an allowed origin read the response.
  void add_cors_headers(const HttpRequest& request, HttpResponse& response) const;

  /// POST /api/login with {"key": "..."}: 204 and the cookie of a new session, or 400, 401 or 429.
  /// 204 without a cookie if no key is required.
  HttpResponse login(const HttpRequest& request) const;
  /// POST /api/logout: ends the session and clears its cookie. 204 even if there is no session.
  /// With
  /// {"everywhere": true} ends all sessions, for a client with a session or the key; others get
  /// 401.
  HttpResponse logout(const HttpRequest& request) const;

 private:
  bool allows_host(std::string_view host) const;
  bool allows_origin(std::string_view origin) const;
  bool has_session(const HttpRequest& request) const;
  std::optional<HttpResponse> refuse_page(const HttpRequest& request, bool open) const;
  std::optional<HttpResponse> refuse_keyless(const HttpRequest& request,
                                             bool has_ended_link = false) const;
  std::optional<HttpResponse> refuse_key(const HttpRequest& request, std::string_view key,
                                         HttpResponse wrong) const;

  AccessOptions options_;
  std::unique_ptr<Sessions> sessions_ = std::make_unique<Sessions>();
  std::unique_ptr<Guesses> guesses_ = std::make_unique<Guesses>();
};

}  // namespace semblance::service
