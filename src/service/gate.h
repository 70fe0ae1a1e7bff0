// Who may ask, before anything of a request's body is read.
//
// A service on loopback can be reached by every page that a browser shows. So the Host must be a
// name of ours (a page cannot make its own name ours by rebinding it), the Origin must be our own
// or one that was allowed, and what the browser marks as coming from another site is refused. Where
// a key is set, it comes as `Authorization: Bearer KEY`, or stands behind the session that POST
// /api/login begins: its cookie `semblance_session` is random, and only our own pages send it.
// Whoever guesses is held up (login.h), and each wrong key is a line of the log. A link with a
// right of its own (links.h) needs no key, and may stand on any page.
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

struct GateOptions {
  std::string listen_address = {};      // what the server listens on: a name that is allowed, too
  std::vector<std::string> hosts = {};  // more names, as in "semblance.example"; a port is no part
  std::string key = {};                 // empty: none is needed
  std::vector<std::string> origins = {};  // other origins that may ask: "https://app.example:8443"
  std::string public_url = {};  // "https://semblance.example": how links begin; its host is a name
  std::vector<std::string> proxies = {};                // addresses of proxies that are believed
  const Links* links = nullptr;                         // that open a path; must outlive the gate
  std::function<Clock::time_point()> now = Clock::now;  // for tests
};

/// What a key may have: visible ASCII characters, no blanks.
inline constexpr std::size_t kLeastKey = 16;
inline constexpr std::size_t kMostKey = 512;
/// Throws Error(kArgument) for a key that is not so.
void check_key(std::string_view key);

/// For any thread.
class Gate {
 public:
  /// Throws Error(kArgument) for a host or an origin that is none, and for a key that is not as
  /// above.
  explicit Gate(GateOptions options);

  bool has_key() const { return !options_.key.empty(); }

  /// Sets who asks (`client`) and what the service is called (`origin`). `address`: the
  /// connection's. X-Forwarded-For is believed of proxies and of this machine; the scheme and the
  /// host that a proxy says, of proxies alone, and a host only where it is a name of ours: many
  /// hand on what their client made up. The public URL stands above all of that.
  void identify(HttpRequest& request, const std::string& address) const;

  /// The refusal of a request (403; for the key 401, and 429 after too many wrong ones), or nothing
  /// where it may pass: as one of Links does, wherever it stands. `open`: a route for which no key
  /// is needed, and to which a link on another site may lead.
  std::optional<HttpResponse> refuse(const HttpRequest& request, bool open) const;

  /// The answer to OPTIONS, for a page of another origin (a CORS preflight) or for anyone.
  /// `methods`: those of the path.
  HttpResponse answer_options(const HttpRequest& request,
                              const std::vector<std::string>& methods) const;

  /// The headers that let a page of an allowed origin read the response.
  void add_cors_headers(const HttpRequest& request, HttpResponse& response) const;

  /// POST /api/login with {"key": "..."}: 204 and the cookie of a new session, 400, 401 or 429.
  /// Where no key is needed, 204.
  HttpResponse login(const HttpRequest& request) const;
  /// POST /api/logout: ends the session and takes its cookie back. 204, also where there is none.
  HttpResponse logout(const HttpRequest& request) const;

 private:
  bool allows_host(std::string_view host) const;
  bool allows_origin(std::string_view origin) const;
  bool has_session(const HttpRequest& request) const;
  std::optional<HttpResponse> refuse_page(const HttpRequest& request, bool open) const;
  std::optional<HttpResponse> refuse_key(const HttpRequest& request, std::string_view key,
                                         HttpResponse wrong) const;

  GateOptions options_;
  std::unique_ptr<Sessions> sessions_ = std::make_unique<Sessions>();
  std::unique_ptr<Guesses> guesses_ = std::make_unique<Guesses>();
};

}  // namespace semblance::service
