// The types of the service's handlers: an HTTP/1.1 request, its response, the common form of all
// errors, and the table of routes.
//
// Requests and responses are plain values. A handler runs on its connection's own thread and may
// block as long as it likes. Several run at a time and must guard what they share.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "service/body.h"

namespace semblance::service {

struct HttpRequest {
  std::string method = {};  // "GET"; handlers see HEAD as GET, the server leaves out the body
  std::string path = {};  // percent-decoded UTF-8, no control characters, no ".."; begins with '/'
  std::map<std::string, std::string> query = {};    // decoded; the last of a repeated name counts
  std::map<std::string, std::string> headers = {};  // names in lower case; lists joined with ", "
  std::string client =
      {};  // the client's numeric address, without port (AccessControl::identify())
  std::string origin = {};  // how the client addresses the service: "https://semblance.example"
  std::string body = {};    // the whole body; at most the route's body_limit
  /// True once the client has closed the connection, or the server's grace period is over: a
  /// handler should then return within a second. One system call; may be copied, and called on any
  /// thread at any time.
  std::function<bool()> client_left = [] { return false; };
  /// Releases the body's memory to other requests, for a handler that has read it and keeps running
  /// for long. `body` is empty afterwards. `kept_bytes` stay booked for copies that the handler
  /// still holds, until it calls this again or ends. Call on the handler's own thread.
  std::function<void(std::uint64_t kept_bytes)> drop_body = [](std::uint64_t) {};

  /// Books memory for the handler's own work from the pool of all large request bodies, which wait
  /// for it; so keep it short. At most the whole pool. Waits until there is room. Replaces the
  /// previous booking, and ends with the handler. Throws Error(kCancelled) when the client leaves,
  /// HttpError (503) after HttpLimits::idle_time. Call on the handler's own thread.
  std::function<void(std::uint64_t bytes)> book = [](std::uint64_t) {};

  /// The header's value, "" if there is none. `name` in lower case.
  std::string_view header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string type = "application/json";  // Content-Type; not sent if empty
  std::map<std::string, std::string> headers = {};
  Body body = {};
  /// If set, returns the body piece by piece (server-sent events) until nullopt. May block for up
  /// to a second; "" means "nothing yet". It is called only on the connection's thread, and
  /// destroyed there when the response is over, even if the client left or the server stops. An
  /// exception cuts the response off.
  std::function<std::optional<Body>()> stream = {};
};

/// The status line's reason, "Not Found" for 404; "Other" for a status that no route returns.
std::string_view reason_of(int status);

/// The response to every error: {"error": {"message", "type", "param", "code"}}. type is
/// invalid_request_error below 500, else server_error; param is null where `param` is empty.
HttpResponse error_response(int status, std::string_view code, const std::string& message,
                            std::string_view param = {});

/// code is the kind's name. The status is 400 for argument, shape and corrupt, 404 for missing, 409
/// for cancelled, 422 for memory, 500 for internal, 503 for device.
HttpResponse error_response(const Error& error, std::string_view param = {});

/// 200 with `json`, which is the text of a JSON value.
HttpResponse json_response(std::string json, int status = 200);

/// Thrown by a handler to answer with its own error response instead of error_response(const
/// Error&).
class HttpError : public std::runtime_error {
 public:
  HttpError(int status, std::string_view code, const std::string& message,
            std::string_view param = {});
  HttpError(const Error& error, std::string_view param);  // as error_response()
  explicit HttpError(HttpResponse response);
  const HttpResponse& response() const { return response_; }
  /// The same error with a header Retry-After.
  HttpError after(std::chrono::seconds wait) const;

 private:
  HttpResponse response_;
};

struct RouteOptions {
  std::uint64_t body_limit = std::uint64_t{1} << 20;  // bytes
  bool open = false;                                  // needs no key: page, health, login
  bool is_probe = false;  // asked for every few seconds: its requests are logged for debugging only
};

/// Maps paths to handlers.
class Router {
 public:
  /// The parts of the path that matched {names}, in order; never empty, and without slashes unless
  /// the pattern's part was {name...}.
  using Captures = std::vector<std::string>;
  using Handler = std::function<HttpResponse(const HttpRequest&, const Captures&)>;

  struct Route {
    std::vector<std::string> parts;  // of the pattern, split at slashes
    std::string method;
    Handler handler;
    RouteOptions options;

    std::string pattern() const;  // "/api/jobs/{id}"
  };
  struct Match {
    const Route* route = nullptr;      // null if there is none
    Captures captures = {};            // of the route
    std::vector<std::string> methods;  // the path's, with HEAD and OPTIONS; empty: 404
  };

  /// add("POST", "/api/jobs/{id}/cancel", handler). A last part {name...} matches the rest of the
  /// path. Literal parts win over {names}, regardless of order. Throws Error(kInternal) for a
  /// malformed or duplicate pattern.
  void add(std::string method, std::string_view pattern, Handler handler,
           RouteOptions options = {});

  /// HEAD matches the route of GET.
  Match find(std::string_view method, std::string_view path) const;

  /// "GET /api/jobs/{id}" for each route, sorted; tests compare the API's document with it.
  std::vector<std::string> list() const;

 private:
  std::vector<Route> routes_;
};

}  // namespace semblance::service
