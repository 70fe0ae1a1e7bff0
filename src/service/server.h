// The HTTP/1.1 server: sockets and threads around a Router, behind a Gate, within limits.
//
// A thread per connection; handlers may block. What is asked of a request is asked in this order,
// and nothing of its body is read before: is it well-formed (400, 431), does the server still take
// requests (503), may it ask (403, 401), is there a route (404, 405), is the body within the
// route's limit (413) and within all bodies' (503). Every answer, also to what is no HTTP at all,
// is of the one shape that error_response() has.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "service/gate.h"
#include "service/http.h"

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

struct HttpLimits {
  unsigned connections = 256;                            // at a time; more wait until one ends
  unsigned connections_by_address = 128;                 // more are closed at once
  std::uint64_t header_bytes = std::uint64_t{16} << 10;  // request line and headers
  std::uint64_t bodies_bytes = std::uint64_t{32}
                               << 20;                 // of all requests being received or answered
  std::chrono::milliseconds head_time{15'000};        // to receive a request's headers
  std::chrono::milliseconds body_time{30'000};        // to receive its body, and the next:
  std::uint64_t body_rate = std::uint64_t{32} << 10;  // for each so many bytes a second more
  std::chrono::seconds idle_time{60};  // a connection with nothing sent or received is closed
  std::uint64_t stack_bytes = std::uint64_t{512} << 10;  // of a connection's thread
};

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
