// A server with all kinds of routes, for tests.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "service/client_test.h"
#include "service/server.h"

namespace semblance::service::testing {

using namespace std::chrono_literals;

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

inline bool becomes_true(const std::function<bool()>& condition,
                         std::chrono::milliseconds most = 5s) {
  const auto end = Clock::now() + most;
  while (!condition()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

/// The code and message of an error response: "too_large: cannot ..."; the type is checked.
inline std::string error_in(const Reply& reply) {
  const auto body = nlohmann::json::parse(reply.body, nullptr, false);
  if (!body.is_object() || !body.contains("error")) return "no error: " + reply.body;
  const auto& error = body["error"];
  EXPECT_EQ(error.size(), 4U);
  EXPECT_EQ(error["type"], reply.status < 500 ? "invalid_request_error" : "server_error");
  EXPECT_EQ(reply.headers.at("content-type"), "application/json");
  EXPECT_TRUE(reply.is_whole);
  return error["code"].get<std::string>() + ": " + error["message"].get<std::string>();
}

/// `count` bytes that differ by position.
inline std::string numbered(std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>(i * 7 + i / 251);
  return bytes;
}

/// Shared by the test routes.
struct Seen {
  std::atomic<int> calls = 0;
  std::atomic<bool> has_left = false;
  std::atomic<bool> may_end = false;
  std::atomic<int> streams = 0;     // alive
  std::filesystem::path file = {};  // sent by /file and /base64
};

/// Counts live streams.
struct Alive {
  std::shared_ptr<Seen> seen;
  explicit Alive(std::shared_ptr<Seen> owner) : seen(std::move(owner)) { ++seen->streams; }
  ~Alive() { --seen->streams; }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;
};

inline Router routes(const std::shared_ptr<Seen>& seen) {
  Router router;
  const RouteOptions open{.open = true};
  router.add("GET", "/api/info", [seen](const HttpRequest& request, const Router::Captures&) {
    ++seen->calls;
    return json_response(nlohmann::json({{"path", request.path}, {"query", request.query}}).dump());
  });
  router.add(
      "GET", "/",
      [](const HttpRequest&, const Router::Captures&) {
        HttpResponse response;
        response.type = "text/html";
        response.headers["Cache-Control"] = "no-cache";
        response.body = Body("<title>page</title>");
        return response;
      },
      open);
  router.add("POST", "/echo",
             [seen](const HttpRequest& request, const Router::Captures&) {
               ++seen->calls;
               return json_response(request.body);
             },
             {.body_limit = 100'000});
  router.add("GET", "/big/{bytes}", [](const HttpRequest&, const Router::Captures& captures) {
    HttpResponse response;
    response.type = "application/octet-stream";
    response.body = numbered(std::stoul(captures[0]));
    return response;
  });
  router.add("GET", "/file", [seen](const HttpRequest&, const Router::Captures&) {
    return HttpResponse{.type = "image/png", .body = Body(open_file(seen->file))};
  });
  router.add("GET", "/base64", [seen](const HttpRequest&, const Router::Captures&) {
    HttpResponse response = json_response("[\"");
    response.body += Body(open_file(seen->file), Body::Form::kBase64);
    response.body += "\"]";
    return response;
  });
  router.add("POST", "/store",
             [](const HttpRequest& request, const Router::Captures&) {
               return json_response(std::to_string(request.body.size()));
             },
             {.body_limit = std::uint64_t{16} << 20U});
  router.add("GET", "/book/{bytes}",
             [seen](const HttpRequest& request, const Router::Captures& captures) {
               request.book(std::stoul(captures[0]));
               ++seen->calls;
               becomes_true([&] { return seen->may_end.load(); });
               return json_response("\"booked\"");
             });
  router.add("GET", "/throw/{what}",
             [](const HttpRequest&, const Router::Captures& c) -> HttpResponse {
               if (c[0] == "error") fail(ErrorKind::kMemory, "cannot fit");
               if (c[0] == "http")
                 throw HttpError(429, "queue_full", "cannot queue: full", "count");
               if (c[0] == "memory") throw std::bad_alloc();
               if (c[0] == "header") {
                 HttpResponse response;
                 response.headers["X-Bad"] = "a\r\nSet-Cookie: b";
                 return response;
               }
               throw std::runtime_error("a bug");
             });
  router.add("GET", "/wait", [seen](const HttpRequest& request, const Router::Captures&) {
    ++seen->calls;
    while (!seen->may_end && !request.client_left()) std::this_thread::sleep_for(2ms);
    seen->has_left = request.client_left();
    return json_response("\"waited\"");
  });
  router.add("POST", "/drop",
             [seen](const HttpRequest& request, const Router::Captures&) {
               request.drop_body(0);
               EXPECT_TRUE(request.body.empty());
               ++seen->calls;
               while (!seen->may_end) std::this_thread::sleep_for(2ms);
               return json_response("\"dropped\"");
             },
             {.body_limit = 100'000});
  router.add("GET", "/events", [seen](const HttpRequest&, const Router::Captures&) {
    HttpResponse response;
    response.type = "text/event-stream";
    auto alive = std::make_shared<Alive>(seen);
    auto count = std::make_shared<int>(0);
    response.stream = [seen, alive, count]() -> std::optional<std::string> {
      if (seen->may_end) return {};
      if (++*count % 3 != 0) {
        std::this_thread::sleep_for(3ms);
        return "";
      }
      return "data: " + std::to_string(*count) + "\n\n";
    };
    return response;
  });
  router.add("GET", "/flood", [seen](const HttpRequest&, const Router::Captures&) {
    HttpResponse response;
    auto alive = std::make_shared<Alive>(seen);
    response.stream = [alive]() -> std::optional<std::string> { return std::string(100'000, 'x'); };
    return response;
  });
  router.add("GET", "/broken", [](const HttpRequest&, const Router::Captures&) {
    HttpResponse response;
    auto count = std::make_shared<int>(0);
    response.stream = [count]() -> std::optional<std::string> {
      if (++*count > 1) throw std::runtime_error("broken");
      return "begin";
    };
    return response;
  });
  return router;
}

class ServerTest : public ::testing::Test {
 protected:
  void start(const HttpLimits& limits = {}, const AccessOptions& access = {}) {
    server_ = std::make_unique<HttpServer>(Listen{"127.0.0.1", 0}, access, routes(seen_), limits);
  }
  Client client(int receive_buffer = 0) { return Client(server_->port(), receive_buffer); }
  Reply ask(const std::string& text) { return client().ask(text); }

  std::shared_ptr<Seen> seen_ = std::make_shared<Seen>();
  std::unique_ptr<HttpServer> server_;
};

}  // namespace semblance::service::testing
