// What the service's handlers speak: a request as it came over HTTP/1.1, the response to it, the
// one shape that all errors have, and the table of routes.
//
// Requests and responses are plain values. A handler runs on its connection's own thread and may
// block for as long as it likes; several run at a time, so that what they share is theirs to guard.
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
  std::string method = {};  // "GET"; HEAD comes to handlers as GET, the layer leaves the body out
  std::string path = {};  // percent-decoded UTF-8, no control characters, no ".."; begins with '/'
  std::map<std::string, std::string> query = {};  // decoded; of a name given twice the last counts
  std::map<std::string, std::string> headers = {};  // names in lower case; lists joined with ", "
  std::string client = {};  // who asks: an address in numbers, without port (Gate::identify())
  std::string origin = {};  // what the client calls the service: "https://semblance.example"
  std::string body = {};    // whole; at most the route's body_limit
  /// True once the client has closed the connection, or the server's time to stop is up: a handler
  /// should then return within a second. One system call; may be copied, and called on any thread
  /// at any time.
  std::function<bool()> client_left = [] { return false; };
  /// Gives the body's memory back to other requests, for a handler that has read it and goes on for
  /// long. `body` is empty then. `kept_bytes` stay booked: of copies that the handler still holds,
  /// until it calls this again or ends. On the handler's own thread.
  std::function<void(std::uint64_t kept_bytes)> drop_body = [](std::uint64_t) {};

  /// Books memory for the handler's own work, out of what all request bodies share; at most all of
  /// that. Waits until there is room. Replaces what was booked before, and ends with the handler.
  /// Throws Error(kCancelled) when the client leaves, HttpError (503) after HttpLimits::idle_time.
  /// For the handler's own thread.
  std::function<void(std::uint64_t bytes)> book = [](std::uint64_t) {};

  /// The header's value, "" where there is none. `name` in lower case.
  std::string_view header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string type = "application/json";  // Content-Type; none is sent where this is empty
  std::map<std::string, std::string> headers = {};
  Body body = {};
  /// Where set, the body is what this gives, piece by piece (server-sent events), until nullopt. It
  /// may block for up to a second, and gives "" to say "nothing yet". It is called on the
  /// connection's thread alone, and destroyed there when the response is over, also where the
  /// client left or the server stops; a thrown exception cuts the response off.
  std::function<std::optional<Body>()> stream = {};
};

/// "Not Found" for 404, as the status line has it; "Other" for a status that no route gives.
std::string_view reason_of(int status);

/// The response to every error: {"error": {"message", "type", "param", "code"}}. type is
/// invalid_request_error below 500, else server_error; param is null where `param` is empty.
HttpResponse error_response(int status, std::string_view code, const std::string& message,
                            std::string_view param = {});

/// code is the kind's name; status: argument, shape and corrupt 400, missing 404, cancelled 409,
/// memory 422, internal 500, device 503.
HttpResponse error_response(const Error& error, std::string_view param = {});

/// 200 with `json`, which is the text of a JSON value.
HttpResponse json_response(std::string json, int status = 200);

/// A handler's way to end with another response than error_response(const Error&) has for it: what
/// the server answers where a handler throws it.
class HttpError : public std::runtime_error {
 public:
  HttpError(int status, std::string_view code, const std::string& message,
            std::string_view param = {});
  HttpError(const Error& error, std::string_view param);  // as error_response() has them
  explicit HttpError(HttpResponse response);
  const HttpResponse& response() const { return response_; }
  /// The same with a header Retry-After.
  HttpError after(std::chrono::seconds wait) const;

 private:
  HttpResponse response_;
};

struct RouteOptions {
  std::uint64_t body_limit = std::uint64_t{1} << 20;  // bytes
  bool open = false;                                  // no key is needed: page, health, login
};

/// Which handler answers which path.
class Router {
 public:
  /// The parts of the path that stood for {names}, in their order; never empty strings, and without
  /// slashes unless the pattern's part was {name...}.
  using Captures = std::vector<std::string>;
  using Handler = std::function<HttpResponse(const HttpRequest&, const Captures&)>;

  struct Route {
    std::vector<std::string> parts;  // of the pattern, split at slashes
    std::string method;
    Handler handler;
    RouteOptions options;
  };
  struct Match {
    const Route* route = nullptr;      // the route, or none
    Captures captures = {};            // of the route
    std::vector<std::string> methods;  // that the path has, HEAD and OPTIONS among them; empty: 404
  };

  /// add("POST", "/api/jobs/{id}/cancel", handler). A last part {name...} takes the rest of the
  /// path. Literal parts win over {names}, whatever the order. Throws Error(kInternal) for a
  /// pattern that is none, and for one that is there already.
  void add(std::string method, std::string pattern, Handler handler, RouteOptions options = {});

  /// HEAD finds the route of GET.
  Match find(std::string_view method, std::string_view path) const;

  /// "GET /api/jobs/{id}" for each route, sorted: what the API's document is held to.
  std::vector<std::string> list() const;

 private:
  std::vector<Route> routes_;
};

}  // namespace semblance::service
