// The HTTP/1.1 server: sockets and threads around a Router, behind a AccessControl, within limits.
//
// A thread per connection; handlers may block. Before its body is read, a request is checked in
// this order: well-formed (400, 414, 431, 505), server not shutting down (503), access allowed
// (403, 401), route found (404, 405), body within the route's limit (413) and within the limit of
// all bodies (503). Every error has the form of error_response(), even if the input is not HTTP.
//
// Once the server listens, no failing call ends it: if a thread, a descriptor or memory is
// unavailable, that connection is refused and the server goes on.
//
// Not libmicrohttpd, cpp-httplib or Boost.Beast: every byte of a body or response must be booked
// before it is taken, for all connections together, and slow clients must yield to others.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "service/access_control.h"
#include "service/http.h"
#include "service/http_limits.h"
#include "service/http_stats.h"

namespace semblance::service {

struct Listen {
  std::string address = "127.0.0.1";  // numeric IPv4 or IPv6; "0.0.0.0" or "::" for all
  int port = 7860;                    // 0: any free port
  /// A socket that already listens there (service_manager.h); the server owns it from then on.
  int passed = -1;

  std::string text() const;  // "127.0.0.1:7860", "[::1]:7860"
};

/// "127.0.0.1:7860", "[::1]:7860", "localhost:7860", ":7860" (loopback) or "0.0.0.0". Throws
/// Error(kArgument).
Listen parse_listen(const std::string& text);

/// Whether only this machine can reach it.
bool is_loopback(const Listen& listen);

/// Counts since the start and current values, for tests. Any thread.
struct HttpCounts {
  std::uint64_t requests = 0;
  std::uint64_t responses_4xx = 0;
  std::uint64_t responses_5xx = 0;
  unsigned connections = 0;        // current
  unsigned handling = 0;           // requests being handled or streamed
  std::uint64_t bodies_bytes = 0;  // current
};

class HttpServer {
 public:
  /// Binds at once and starts serving. Adds POST /api/login and /api/logout to the routes. Throws
  /// Error(kArgument) if this machine does not have the address or the port is taken,
  /// Error(kDevice) if the system cannot create a socket or thread.
  HttpServer(const Listen& listen, const AccessOptions& access, Router router,
             const HttpLimits& limits = {},
             std::shared_ptr<HttpStats> stats = std::make_shared<HttpStats>());
  ~HttpServer();  // stop(2 s)

  int port() const;  // the actual port, if 0 was requested
  HttpCounts counts() const;

  /// Refuses new connections and requests (503), ends streams, and lets handlers finish for up to
  /// `grace`; then client_left() becomes true for them and their connections are cut. Returns when
  /// no thread is left, soon after the grace period unless a handler ignores client_left(). May be
  /// called more than once, but not from a handler.
  void stop(std::chrono::milliseconds grace);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the connections' threads
};

}  // namespace semblance::service
