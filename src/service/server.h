// The HTTP/1.1 server: sockets and threads around a Router, behind a Gate, within limits.
//
// A thread per connection; handlers may block. A request is checked in this order, before anything
// of its body is read: is it well-formed (400, 414, 431, 505), does the server still take requests
// (503), may it ask (403, 401), is there a route (404, 405), is the body within the route's limit
// (413) and within all bodies' (503). Every answer has the one shape of error_response(), also that
// to what is no HTTP at all.
//
// Once it listens, no failing call ends it: without a thread, a descriptor or memory a connection
// is refused, and the next one is tried again.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "service/gate.h"
#include "service/http.h"
#include "service/http_limits.h"

namespace semblance::service {

struct Listen {
  std::string address = "127.0.0.1";  // a number of IPv4 or IPv6, "0.0.0.0" or "::" for all
  int port = 7860;                    // 0: any that is free
};

/// "127.0.0.1:7860", "[::1]:7860", "localhost:7860", ":7860" (loopback) or "0.0.0.0". Throws
/// Error(kArgument).
Listen parse_listen(const std::string& text);

/// Whether only this machine can reach it.
bool is_loopback(const Listen& listen);

/// Counts since the start, and what is now: for /metrics and for tests. Any thread.
struct HttpCounts {
  std::uint64_t requests = 0;
  std::uint64_t responses_4xx = 0;
  std::uint64_t responses_5xx = 0;
  unsigned connections = 0;        // now
  unsigned handling = 0;           // requests being handled or streamed now
  std::uint64_t bodies_bytes = 0;  // now
};

class HttpServer {
 public:
  /// Binds at once and serves from then on. Adds POST /api/login to the routes. Throws
  /// Error(kArgument) where the address is none of this machine's or the port is taken,
  /// Error(kDevice) where the system gives no socket or thread.
  HttpServer(const Listen& listen, const GateOptions& gate, Router router,
             const HttpLimits& limits = {});
  ~HttpServer();  // stop(2 s)

  int port() const;  // the real one, where 0 was asked for
  HttpCounts counts() const;

  /// Takes no more connections and requests (503), ends streams, lets handlers end for up to
  /// `grace`; then client_left() is true for them and their connections are cut. Returns when no
  /// thread is left, soon after the grace unless a handler pays no heed to client_left(). May be
  /// called more than once, not from a handler.
  void stop(std::chrono::milliseconds grace);

 private:
  struct State;
  std::shared_ptr<State> state_;  // with the threads of connections
};

}  // namespace semblance::service
