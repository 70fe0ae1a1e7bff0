#include "service/server.h"

#include <nlohmann/json.hpp>
#include <thread>

#include "memory/meter.h"
#include "service/client_test.h"
#include "tests/support/errors.h"
#include "tests/support/sanitized.h"

namespace semblance::service {
namespace {

using namespace std::chrono_literals;
using semblance::testing::error_of;
using testing::Client;
using testing::Reply;
using testing::request;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

bool becomes_true(const std::function<bool()>& condition, std::chrono::milliseconds most = 5s) {
  const auto end = Clock::now() + most;
  while (!condition()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

/// The code and message of an error response: "too_large: cannot ..."; the type is checked.
std::string error_in(const Reply& reply) {
  const auto body = nlohmann::json::parse(reply.body, nullptr, false);
  if (!body.is_object() || !body.contains("error")) return "no error: " + reply.body;
  const auto& error = body["error"];
  EXPECT_EQ(error.size(), 4U);
  EXPECT_EQ(error["type"], reply.status < 500 ? "invalid_request_error" : "server_error");
  EXPECT_EQ(reply.headers.at("content-type"), "application/json");
  EXPECT_TRUE(reply.is_whole);
  return error["code"].get<std::string>() + ": " + error["message"].get<std::string>();
}

/// What the routes of the tests share.
struct Seen {
  std::atomic<int> calls = 0;
  std::atomic<bool> has_left = false;
  std::atomic<bool> may_end = false;
  std::atomic<int> streams = 0;  // alive
};

/// Counts the streams that are alive.
struct Alive {
  std::shared_ptr<Seen> seen;
  explicit Alive(std::shared_ptr<Seen> owner) : seen(std::move(owner)) { ++seen->streams; }
  ~Alive() { --seen->streams; }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;
};

Router routes(const std::shared_ptr<Seen>& seen) {
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
        response.body = "<title>page</title>";
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
    response.body.resize(std::stoul(captures[0]));
    for (std::size_t i = 0; i < response.body.size(); ++i) {
      response.body[i] = static_cast<char>(i * 7 + i / 251);
    }
    return response;
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
               request.drop_body();
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

class Server : public ::testing::Test {
 protected:
  void start(const HttpLimits& limits = {}, const GateOptions& gate = {}) {
    server_ = std::make_unique<HttpServer>(Listen{"127.0.0.1", 0}, gate, routes(seen_), limits);
  }
  Client client(int receive_buffer = 0) { return Client(server_->port(), receive_buffer); }
  Reply ask(const std::string& text) { return client().ask(text); }

  std::shared_ptr<Seen> seen_ = std::make_shared<Seen>();
  std::unique_ptr<HttpServer> server_;
};

TEST_F(Server, KeepsAConnection) {
  start();
  Client one = client();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(one.ask(request("GET", "/api/info?a=%20b")).body,
              R"({"path":"/api/info","query":{"a":" b"}})");
    EXPECT_EQ(one.ask(request("POST", "/echo", "", "text")).body, "text");
    EXPECT_EQ(one.ask(request("GET", "/nowhere")).status, 404);
    EXPECT_EQ(one.ask(request("POST", "/nowhere", "", "text")).status, 404);
    EXPECT_EQ(one.ask(request("PUT", "/echo", "", std::string(60'000, 'x'))).status, 405);
  }
  EXPECT_EQ(server_->counts().connections, 1U);
  EXPECT_EQ(server_->counts().requests, 100U);
  EXPECT_EQ(server_->counts().responses_4xx, 60U);
  EXPECT_EQ(one.ask(request("GET", "/api/info", "Connection: close\r\n")).status, 200);
  EXPECT_TRUE(one.is_closed_within(1000));
}

TEST_F(Server, EveryResponseHasTheSecurityHeaders) {
  start();
  for (const std::string target : {"/", "/api/info", "/nowhere", "/%", "/throw/bug"}) {
    Reply reply = ask(request("GET", target));
    EXPECT_NE(reply.headers["content-security-policy"].find("default-src 'self'"),
              std::string::npos);
    EXPECT_NE(reply.headers["content-security-policy"].find("frame-ancestors 'none'"),
              std::string::npos);
    EXPECT_EQ(reply.headers["x-content-type-options"], "nosniff");
    EXPECT_EQ(reply.headers["referrer-policy"], "no-referrer");
    EXPECT_EQ(reply.headers["x-frame-options"], "DENY");
    EXPECT_EQ(reply.headers["cross-origin-resource-policy"], "same-origin");
    EXPECT_EQ(reply.headers["cache-control"], target == "/" ? "no-cache" : "no-store");
    EXPECT_FALSE(reply.headers.contains("access-control-allow-origin"));
    EXPECT_FALSE(reply.headers.contains("server"));
  }
}

TEST_F(Server, AnswersHeadFromGet) {
  start();
  Client one = client();
  Reply reply = one.ask("HEAD /api/info HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers["content-length"], "31");
  EXPECT_EQ(one.ask("HEAD /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 404);
  EXPECT_EQ(one.ask("HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 200);
  EXPECT_TRUE(becomes_true([&] { return seen_->streams == 0; }));
  EXPECT_EQ(one.ask(request("GET", "/api/info")).body.size(), 31U) << "nothing is left over";
}

TEST_F(Server, AnswersOptionsAndWrongMethods) {
  start({}, {.origins = {"https://app.example"}});
  Client one = client();
  Reply options = one.ask(request("OPTIONS", "/api/info"));
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.headers["allow"], "GET, HEAD, OPTIONS");
  EXPECT_EQ(one.ask(request("OPTIONS", "*")).status, 204);
  EXPECT_EQ(one.ask(request("OPTIONS", "/nowhere")).status, 404);
  Reply preflight = one.ask(request("OPTIONS", "/echo",
                                    "Origin: https://app.example\r\n"
                                    "Access-Control-Request-Method: POST\r\n"
                                    "Access-Control-Request-Headers: authorization\r\n"));
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.headers["access-control-allow-origin"], "https://app.example");
  EXPECT_EQ(preflight.headers["access-control-allow-methods"], "OPTIONS, POST");
  EXPECT_EQ(preflight.headers["access-control-allow-headers"], "authorization");
  Reply foreign = one.ask(request("OPTIONS", "/echo",
                                  "Origin: https://evil.example\r\n"
                                  "Access-Control-Request-Method: POST\r\n"));
  EXPECT_EQ(foreign.status, 403);
  EXPECT_FALSE(foreign.headers.contains("access-control-allow-origin"));
  Reply wrong = one.ask(request("DELETE", "/echo"));
  EXPECT_EQ(wrong.headers["allow"], "OPTIONS, POST");
  EXPECT_EQ(error_in(wrong), "method_not_allowed: cannot DELETE /echo: it takes OPTIONS, POST");
  EXPECT_EQ(one.ask(request("TRACE", "/echo")).status, 405);
  EXPECT_EQ(one.ask(request("BREW", "/echo")).status, 405);
  EXPECT_EQ(error_in(one.ask(request("GET", "/no/%C3%A9"))),
            "not_found: cannot find /no/\xC3\xA9: there is no such path");
}

TEST_F(Server, AsksWhoItIs) {
  start({}, {.key = "the-key-of-tests"});
  EXPECT_EQ(ask(request("GET", "/")).status, 200) << "an open route";
  EXPECT_EQ(error_in(ask(request("GET", "/api/info"))),
            "unauthorized: cannot answer without the key: send the header \"Authorization: Bearer "
            "KEY\", or log in on the page");
  EXPECT_EQ(ask(request("GET", "/events")).status, 401);
  EXPECT_EQ(ask(request("GET", "/api/info", "Authorization: Bearer the-key-of-tests\r\n")).status,
            200);
  Reply login = ask(request("POST", "/api/login", "", R"({"key": "the-key-of-tests"})"));
  EXPECT_EQ(login.status, 204);
  const std::string cookie = login.headers["set-cookie"];
  EXPECT_EQ(
      ask(request("GET", "/api/info", "Cookie: " + cookie.substr(0, cookie.find(';')) + "\r\n"))
          .status,
      200);
  EXPECT_EQ(ask(request("POST", "/api/login", "", R"({"key": "other"})")).status, 401);
  EXPECT_EQ(ask("GET /api/info HTTP/1.1\r\nHost: evil.example\r\n\r\n").status, 403);
  EXPECT_EQ(error_in(ask("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")),
            "forbidden: cannot answer for the host \"evil.example\": it is not a name of this "
            "service; name it with --host to allow it");
  EXPECT_EQ(error_in(ask(request("GET", "/", "Origin: http://evil.example\r\n"))),
            "forbidden: cannot answer a page of http://evil.example: other origins may ask only "
            "where they were named with --cors-origin");
  EXPECT_EQ(error_in(ask(request("GET", "/", "Sec-Fetch-Site: cross-site\r\n"))),
            "forbidden: cannot answer a page of another site: open this service's own page, or "
            "name the other's origin with --cors-origin");
}

TEST_F(Server, RefusedUploadsAreNotRead) {
  start({}, {.key = "the-key-of-tests"});
  Client one = client();
  one.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\nfirst bytes");
  EXPECT_EQ(one.reply().status, 401) << "while the body is still to come";
  EXPECT_EQ(server_->counts().bodies_bytes, 0U);
  EXPECT_EQ(seen_->calls, 0);
}

TEST_F(Server, HandlersMayThrow) {
  start();
  Client one = client();
  Reply reply = one.ask(request("GET", "/throw/error"));
  EXPECT_EQ(reply.status, 422);
  EXPECT_EQ(error_in(reply), "memory: cannot fit");
  reply = one.ask(request("GET", "/throw/http"));
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(error_in(reply), "queue_full: cannot queue: full");
  reply = one.ask(request("GET", "/throw/memory"));
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(error_in(reply), "memory: cannot answer: there is no memory left");
  reply = one.ask(request("GET", "/throw/bug"));
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(error_in(reply), "internal: internal error: a bug");
  EXPECT_EQ(server_->counts().responses_5xx, 2U);
  const Reply split = one.ask(request("GET", "/throw/header"));
  EXPECT_FALSE(split.headers.contains("set-cookie"));
  EXPECT_EQ(split.status, 500);
}

TEST_F(Server, MalformedRequestsAreErrorsOfTheOneShape) {
  start({.header_bytes = 4096});
  const std::string malformed = "argument: cannot read the request: ";
  const std::string host = "Host: localhost\r\n";
  const std::string length =
      malformed + "its length must be given by content-length, or by transfer-encoding: chunked";
  struct Case {
    std::string text;
    int status;
    std::string error;
  };
  const std::vector<Case> table = {
      {"GET / HTTP/1.1\r\n\r\n", 400, malformed + "it must have the header host"},
      {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, malformed + "it must have the header host"},
      {"GET / HTTP/1.1\r\n" + host + host + "\r\n", 400,
       malformed + "the header host is there more than once"},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400,
       malformed + "the header content-length is there more than once"},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 30\r\n\r\nx", 400,
       malformed + "the header content-length is there more than once"},
      {"POST /echo HTTP/1.1\r\n" + host +
           "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400, length},
      {"POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", 400, length},
      {"POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", 400, length},
      {"POST /echo HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
       length},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400, ""},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: +1\r\n\r\nx", 400, ""},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: 1, 1\r\n\r\nx", 400, ""},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: 0x1\r\n\r\nx", 400, ""},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: \r\n\r\nx", 400, ""},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\n", 413,
       "too_large: cannot read the request: its body's length is too large"},
      {"POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
       malformed + "it is no well-formed HTTP/1.1"},
      {"POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n", 400,
       malformed + "it is no well-formed HTTP/1.1"},
      {"POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
       400, malformed + "it is no well-formed HTTP/1.1"},
      {"POST /echo HTTP/1.1\r\n" + host +
           "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
       413, "too_large: cannot read the request: its body's length is too large"},
      {"GET / HTTP/1.1\r\n" + host + "Bad Name: x\r\n\r\n", 400,
       malformed + "a header's name must be letters, digits and dashes before the colon"},
      {"GET / HTTP/1.1\r\n" + host + "Name : x\r\n\r\n", 400,
       malformed + "a header's name must be letters, digits and dashes before the colon"},
      {"GET / HTTP/1.1\r\n" + host + "no colon\r\n\r\n", 400, ""},
      {"GET / HTTP/1.1\r\n" + host +
           "X: a\x01"
           "b\r\n\r\n",
       400, malformed + "the header x has control characters"},
      {"GET / HTTP/9.1\r\n" + host + "\r\n", 505, malformed + "it is no well-formed HTTP/1.1"},
      {"GET / HTTP/2.0\r\n" + host + "\r\n", 505, malformed + "it is no well-formed HTTP/1.1"},
      {"GET /a b HTTP/1.1\r\n" + host + "\r\n", 400,
       malformed + "the target must have no blanks, control characters or #, got /a b"},
      {"G(T / HTTP/1.1\r\n" + host + "\r\n", 400, malformed + "its method must be a word"},
      {"GET http://localhost/ HTTP/1.1\r\n" + host + "\r\n", 400,
       malformed + "the path must begin with /, got http://localhost/"},
      {"GET /../etc/passwd HTTP/1.1\r\n" + host + "\r\n", 400,
       malformed + "the path must have no . or .. as a part, got /../etc/passwd"},
      {"GET /web/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + host + "\r\n", 400,
       malformed + "the path must have no . or .. as a part, got /web/%2e%2e/%2e%2e/etc/passwd"},
      {"GET /%00 HTTP/1.1\r\n" + host + "\r\n", 400,
       malformed + "the path must have no control characters, got /%00"},
      {"GET / HTTP/1.1\r\n" + host + "X: " + std::string(4096, 'x') + "\r\n\r\n", 431, ""},
      {"GET /" + std::string(5000, 'x') + " HTTP/1.1\r\n" + host + "\r\n", 431, ""},
      {"GET / HTTP/1.1\r\n" + host + "X: " + std::string(200'000, 'x'), 431,
       "too_large: cannot read the request: its headers are too large"},
      {"GET /" + std::string(200'000, 'x'), 414,
       "too_large: cannot read the request: its target is too large"},
  };
  for (const Case& one : table) {
    Client other = client();
    other.send(one.text);
    const Reply reply = other.reply();
    const std::string shown = one.text.substr(0, 120);
    EXPECT_EQ(reply.status, one.status) << shown;
    const std::string error = error_in(reply);
    if (!one.error.empty()) {
      EXPECT_EQ(error, one.error) << shown;
    }
    EXPECT_NE(error.find(": cannot "), std::string::npos) << error;
    EXPECT_TRUE(other.is_closed_within(4000)) << shown;
  }
  EXPECT_EQ(seen_->calls, 0);
  EXPECT_EQ(error_in(ask("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(4096, 'x') +
                         "\r\n\r\n")),
            "too_large: cannot read the request: its target and headers may have 4096 bytes, got "
            "4136");
}

TEST_F(Server, WhatIsNoHttpIsClosed) {
  start();
  for (const std::string text : {"HELLO\r\n\r\n", "\x16\x03\x01\x02\n\n", "GET\r\n\r\n"}) {
    Client one = client();
    one.send(text);
    EXPECT_TRUE(one.is_closed_within(3000)) << text;
  }
  EXPECT_EQ(ask(request("GET", "/api/info")).status, 200);
}

TEST_F(Server, OldClientsAreAnswered) {
  start();
  Client one = client();
  const Reply reply = one.ask("GET /api/info HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(one.is_closed_within(1000));
  Client other = client();
  other.send("GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(becomes_true([&] { return seen_->streams == 1; }));
  seen_->may_end = true;
  EXPECT_EQ(other.reply().status, 200);
}

TEST_F(Server, ReadsChunks) {
  start();
  Client one = client();
  for (int i = 0; i < 3; ++i) {
    one.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (const std::string piece : {"3\r\nabc\r\n", "1;x=y\r\nd\r", "\n2\r\nef\r\n0\r\n", "\r\n"}) {
      one.send(piece);
      std::this_thread::sleep_for(3ms);
    }
    EXPECT_EQ(one.reply().body, "abcdef");
  }
  EXPECT_EQ(server_->counts().bodies_bytes, 0U);
}

TEST_F(Server, ReadsByteByByte) {
  start();
  Client one = client();
  for (const char c : request("POST", "/echo", "X: y\r\n", "abc")) {
    ASSERT_TRUE(one.send(std::string(1, c)));
    std::this_thread::sleep_for(500us);
  }
  EXPECT_EQ(one.reply().body, "abc");
}

TEST_F(Server, AnswersPipelinedRequestsInTheirOrder) {
  start();
  Client one = client();
  std::string text;
  for (int i = 0; i < 50; ++i) text += request("POST", "/echo", "", std::to_string(i));
  one.send(text);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(one.reply().body, std::to_string(i));
  // What stands behind a request that was refused with its connection is not taken for one.
  one.send("POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n" +
           request("GET", "/api/info"));
  EXPECT_EQ(one.reply().status, 404);
  EXPECT_TRUE(one.is_closed_within(4000));
  EXPECT_EQ(one.received(), "");
}

TEST_F(Server, ContinuesOnlyWhatItTakes) {
  start();
  Client one = client();
  one.send(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: "
      "3\r\n\r\n");
  EXPECT_EQ(one.reply(true).status, 100);
  one.send("abc");
  EXPECT_EQ(one.reply().body, "abc");
  one.send(
      "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: "
      "3\r\n\r\n");
  EXPECT_EQ(one.reply().status, 404);
}

TEST_F(Server, BodiesHaveALimit) {
  start();
  const std::string body(100'001, 'x');
  Reply reply = ask(request("POST", "/echo", "", body));
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(error_in(reply),
            "too_large: cannot take the request: its body may have 100000 bytes, got 100001");
  EXPECT_EQ(ask(request("POST", "/echo", "", body.substr(1))).body.size(), 100'000U);
  Client one = client();
  one.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 100; ++i) one.send("2710\r\n" + std::string(10'000, 'x') + "\r\n");
  reply = one.reply();
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(error_in(reply),
            "too_large: cannot take the request: its body may have 100000 bytes, got more");
  EXPECT_TRUE(becomes_true([&] { return server_->counts().bodies_bytes == 0; }));
  EXPECT_EQ(seen_->calls, 1);
}

TEST_F(Server, AClientThatSendsFarTooMuchReadsWhy) {
  start();
  Client one = client();
  one.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000000\r\n\r\n");
  const std::string piece(1'000'000, 'x');
  for (int i = 0; i < 50; ++i) one.send(piece);
  EXPECT_EQ(one.reply().status, 413);
}

TEST_F(Server, AllBodiesTogetherHaveALimit) {
  start({.bodies_bytes = 150'000});
  Client first = client();
  first.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx");
  ASSERT_TRUE(becomes_true([&] { return server_->counts().bodies_bytes == 100'000; }));
  Reply busy = ask(request("POST", "/echo", "", std::string(60'000, 'x')));
  EXPECT_EQ(busy.status, 503);
  EXPECT_EQ(busy.headers["retry-after"], "2");
  EXPECT_EQ(error_in(busy),
            "busy: cannot take the request now: all requests together may have 150000 bytes of "
            "bodies; try again in a moment");
  EXPECT_EQ(ask(request("POST", "/echo", "", std::string(50'000, 'x'))).status, 200);
  EXPECT_EQ(ask(request("GET", "/api/info")).status, 200);
  first.close();
  ASSERT_TRUE(becomes_true([&] { return server_->counts().bodies_bytes == 0; }));
  EXPECT_EQ(ask(request("POST", "/echo", "", std::string(60'000, 'x'))).status, 200);
}

TEST_F(Server, AHandlerThatTakesLongGivesItsBodyBack) {
  start({.bodies_bytes = 150'000});
  Client first = client();
  first.send(request("POST", "/drop", "", std::string(100'000, 'x')));
  ASSERT_TRUE(becomes_true([&] { return seen_->calls == 1; }));
  EXPECT_EQ(server_->counts().bodies_bytes, 0U);
  EXPECT_EQ(ask(request("POST", "/echo", "", std::string(60'000, 'x'))).status, 200);
  seen_->may_end = true;
  EXPECT_EQ(first.reply().body, "\"dropped\"");
  EXPECT_EQ(server_->counts().bodies_bytes, 0U);
}

TEST_F(Server, SlowRequestsAreEnded) {
  start({.head_time = 300ms, .body_time = 300ms, .body_rate = 1'000'000, .idle_time = 1s});
  // Each begins and then sends a byte now and then.
  const std::vector<std::tuple<std::string, int, std::string>> table = {
      {"GET /api/info HTTP/1.1\r\nHost: localhost\r\nX: ", 408,
       "timeout: cannot wait for the request any longer: its headers took too long to arrive"},
      {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", 408,
       "timeout: cannot wait for the request any longer: its body took too long to arrive"},
      {"GET /api/in", 0, ""},
      {"", 0, ""},
  };
  for (const auto& [begin, status, error] : table) {
    Client one = client();
    const auto start_time = Clock::now();
    one.send(begin);
    while (!begin.empty() && seconds_since(start_time) < 3 && one.send("x")) {
      if (one.receive(20)) break;
    }
    const Reply reply = one.reply();
    EXPECT_EQ(reply.status, status) << begin;
    if (status != 0) {
      EXPECT_EQ(error_in(reply), error);
    }
    EXPECT_LT(seconds_since(start_time), 2.0) << begin;
    EXPECT_TRUE(one.is_closed_within(1000));
  }
  EXPECT_TRUE(becomes_true([&] { return server_->counts().connections == 0; }));
  EXPECT_EQ(server_->counts().handling, 0U);
}

TEST_F(Server, IdleConnectionsAreEnded) {
  start({.idle_time = 1s});
  Client one = client();
  EXPECT_EQ(one.ask(request("GET", "/api/info")).status, 200);
  const auto begin = Clock::now();
  EXPECT_TRUE(one.is_closed_within(4000));
  EXPECT_GT(seconds_since(begin), 0.8);
  EXPECT_EQ(one.received(), "") << "quietly";
}

TEST_F(Server, HandlersMayTakeLongerThanAnyLimit) {
  start({.head_time = 200ms, .body_time = 200ms, .idle_time = 1s});
  Client one = client();
  one.send(request("GET", "/wait"));
  std::this_thread::sleep_for(1500ms);
  seen_->may_end = true;
  EXPECT_EQ(one.reply().body, "\"waited\"");
  EXPECT_EQ(one.ask(request("GET", "/api/info")).status, 200);
}

TEST_F(Server, AReaderThatStopsIsEnded) {
  start({.idle_time = 1s});
  Client one = client(4096);
  one.send(request("GET", "/flood"));
  EXPECT_TRUE(becomes_true([&] { return seen_->streams == 1; }));
  const auto begin = Clock::now();
  EXPECT_TRUE(becomes_true([&] { return seen_->streams == 0; }));
  EXPECT_LT(seconds_since(begin), 4.0);
  EXPECT_TRUE(becomes_true([&] { return server_->counts().connections == 0; }));
}

TEST_F(Server, SendsLargeBodiesWhole) {
  start();
  Client one = client(8192);
  one.send(request("GET", "/big/20000000"));
  const Reply reply = one.reply();
  ASSERT_TRUE(reply.is_whole);
  ASSERT_EQ(reply.body.size(), 20'000'000U);
  for (std::size_t i = 0; i < reply.body.size(); ++i) {
    ASSERT_EQ(reply.body[i], static_cast<char>(i * 7 + i / 251)) << i;
  }
  EXPECT_EQ(one.ask(request("GET", "/big/0")).body, "");
}

TEST_F(Server, StreamsArriveAtOnce) {
  start();
  Client one = client();
  one.send(request("GET", "/events"));
  for (int i = 1; i <= 10; ++i) {
    const auto begin = Clock::now();
    while (one.received().find("data: " + std::to_string(3 * i) + "\n\n") == std::string::npos) {
      ASSERT_TRUE(one.receive(1000));
    }
    EXPECT_LT(seconds_since(begin), 0.2);
  }
  seen_->may_end = true;
  const Reply reply = one.reply();
  EXPECT_TRUE(reply.is_whole);
  EXPECT_EQ(reply.headers.at("content-type"), "text/event-stream");
  EXPECT_TRUE(reply.body.starts_with("data: 3\n\ndata: 6\n\n"));
  EXPECT_EQ(one.ask(request("GET", "/api/info")).status, 200) << "the connection lives on";
}

TEST_F(Server, AStreamThatThrowsIsCutOff) {
  start();
  const Reply reply = ask(request("GET", "/broken"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_FALSE(reply.is_whole);
}

TEST_F(Server, SeesThatAClientHasLeft) {
  start();
  {
    Client one = client();
    one.send(request("GET", "/events"));
    ASSERT_TRUE(becomes_true([&] { return seen_->streams == 1; }));
  }
  const auto begin = Clock::now();
  EXPECT_TRUE(becomes_true([&] { return seen_->streams == 0; }));
  {
    Client one = client();
    one.send(request("GET", "/wait") + request("GET", "/api/info"));  // more is on its way
    ASSERT_TRUE(becomes_true([&] { return seen_->calls == 1; }));
    EXPECT_FALSE(seen_->has_left);
  }
  EXPECT_TRUE(becomes_true([&] { return seen_->has_left.load(); }));
  EXPECT_LT(seconds_since(begin), 0.5);
  EXPECT_TRUE(becomes_true([&] { return server_->counts().handling == 0; }));
}

TEST_F(Server, AClientMayEndItsSendingAndRead) {
  start();
  Client one = client();
  one.send(request("GET", "/api/info"));
  one.end_sending();
  EXPECT_EQ(one.reply().status, 200);
}

TEST_F(Server, ServesAHundredAtATime) {
  start();
  std::vector<std::jthread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 100; ++i) {
    threads.emplace_back([&, i] {
      Client one = client();
      for (int j = 0; j < 10; ++j) {
        const std::string body = std::to_string(i * 1000 + j);
        if (one.ask(request("POST", "/echo", "", body)).body == body) ++good;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(good, 1000);
  EXPECT_TRUE(becomes_true([&] { return server_->counts().connections == 0; }));
}

TEST_F(Server, ConnectionsHaveALimit) {
  start({.connections = 4, .idle_time = 2s});
  std::vector<Client> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(client());
    clients.back().send(request("GET", "/api/info"));
  }
  for (int i = 0; i < 4; ++i) EXPECT_EQ(clients[static_cast<std::size_t>(i)].reply().status, 200);
  EXPECT_FALSE(clients[4].receive(100)) << "waits";
  EXPECT_EQ(server_->counts().connections, 4U);
  clients[0].close();
  EXPECT_EQ(clients[4].reply().status, 200) << "until there is room";
  clients[1].close();
  EXPECT_EQ(clients[5].reply().status, 200);
}

TEST_F(Server, ConnectionsOfAnAddressHaveALimit) {
  start({.connections_by_address = 3});
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(client());
    EXPECT_EQ(clients.back().ask(request("GET", "/api/info")).status, 200);
  }
  Client more = client();
  EXPECT_TRUE(more.is_closed_within(1000));
  clients.pop_back();
  EXPECT_TRUE(becomes_true([&] { return ask(request("GET", "/api/info")).status == 200; }));
}

TEST_F(Server, StopsWithOpenStreams) {
  start({.connections = 50});
  std::vector<Client> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(client());
    clients.back().send(request("GET", "/events"));
    clients.push_back(client(4096));
    clients.back().send(request("GET", "/flood"));
    clients.push_back(client());
    clients.back().ask(request("GET", "/api/info"));
    clients.push_back(client());
    clients.back().send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n");
  }
  ASSERT_TRUE(becomes_true([&] { return seen_->streams == 16; }));
  const int port = server_->port();
  const auto begin = Clock::now();
  server_->stop(500ms);
  EXPECT_LT(seconds_since(begin), 1.5);
  EXPECT_EQ(seen_->streams, 0);
  EXPECT_EQ(server_->counts().connections, 0U);
  EXPECT_EQ(server_->counts().handling, 0U);
  EXPECT_TRUE(clients[0].reply().is_whole) << "events end as they should";
  EXPECT_FALSE(Client(port).is_connected());
  server_->stop(500ms);
}

TEST_F(Server, StopsAtOnceWhereNothingIsGoingOn) {
  start();
  Client one = client();
  EXPECT_EQ(one.ask(request("GET", "/api/info")).status, 200);
  Client silent = client();
  ASSERT_TRUE(becomes_true([&] { return server_->counts().connections == 2; }));
  const auto begin = Clock::now();
  server_->stop(10s);
  EXPECT_LT(seconds_since(begin), 1.0);
}

TEST_F(Server, LetsHandlersEndWithinTheGrace) {
  start();
  Client one = client();
  Client late = client();
  ASSERT_EQ(late.ask(request("GET", "/api/info")).status, 200);
  late.send("GET /api/in");
  one.send(request("GET", "/wait"));
  ASSERT_TRUE(becomes_true([&] { return seen_->calls == 2; }));
  std::jthread stopper([&] { server_->stop(5s); });
  std::this_thread::sleep_for(100ms);
  seen_->may_end = true;
  Reply reply = one.reply();
  EXPECT_EQ(reply.body, "\"waited\"");
  EXPECT_EQ(reply.headers["connection"], "close");
  EXPECT_FALSE(seen_->has_left);
}

TEST_F(Server, TellsHandlersWhenTheGraceIsOver) {
  start();
  Client one = client();
  one.send(request("GET", "/wait"));
  ASSERT_TRUE(becomes_true([&] { return seen_->calls == 1; }));
  const auto begin = Clock::now();
  server_->stop(200ms);
  EXPECT_LT(seconds_since(begin), 1.0);
  EXPECT_TRUE(seen_->has_left);
  EXPECT_EQ(one.reply().status, 0);
}

TEST_F(Server, RefusesWhatComesWhileItStops) {
  start();
  Client one = client();
  one.send(request("GET", "/wait"));
  Client late = client();
  late.send("GET /api/info HTTP/1.1\r\nHost: localhost\r\n");
  ASSERT_TRUE(
      becomes_true([&] { return seen_->calls == 1 && server_->counts().connections == 2; }));
  std::this_thread::sleep_for(100ms);  // until its first lines were read
  std::jthread stopper([&] { server_->stop(3s); });
  std::this_thread::sleep_for(100ms);
  late.send("\r\n");
  Reply reply = late.reply();
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.headers["retry-after"], "5");
  EXPECT_EQ(error_in(reply),
            "shutting_down: cannot take the request: the service is being shut down");
  seen_->may_end = true;
}

TEST_F(Server, HoldsLittleMemory) {
  if (semblance::testing::kSanitized) GTEST_SKIP() << "a sanitizer has memory of its own";
  start();
  const auto resident = [] { return Meter().process().resident_bytes; };
  ask(request("GET", "/api/info"));
  const auto idle = resident();
  std::vector<Client> clients;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(client());
    clients.back().ask(request("GET", "/api/info"));
  }
  const auto open = resident();
  clients.clear();
  EXPECT_TRUE(becomes_true([&] { return server_->counts().connections == 0; }));
  const auto after = resident();
  EXPECT_LT(open - idle, std::uint64_t{8} << 20);
  EXPECT_LT(after - idle, std::uint64_t{4} << 20);
}

TEST(Listen, IsRead) {
  const auto parsed = [](const std::string& text) {
    std::string result;
    const std::string error = error_of([&] {
      const Listen listen = parse_listen(text);
      result = listen.address + " " + std::to_string(listen.port);
    });
    return error == "no error" ? result : error;
  };
  EXPECT_EQ(parsed("127.0.0.1:80"), "127.0.0.1 80");
  EXPECT_EQ(parsed("0.0.0.0"), "0.0.0.0 7860");
  EXPECT_EQ(parsed(":0"), "127.0.0.1 0");
  EXPECT_EQ(parsed("localhost:1"), "127.0.0.1 1");
  EXPECT_EQ(parsed("[::1]:65535"), "::1 65535");
  EXPECT_EQ(parsed("[::]"), ":: 7860");
  EXPECT_EQ(parsed("::1"), "::1 7860");
  const std::string end = "; as in 127.0.0.1:7860 or [::1]:7860";
  EXPECT_EQ(parsed(""), "argument: cannot listen on \"\": it must be an address and a port" + end);
  for (const std::string text : {"127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", ":123456"}) {
    EXPECT_EQ(parsed(text), "argument: cannot listen on \"" + text +
                                "\": a port is a number from 0 to 65535" + end);
  }
  EXPECT_EQ(parsed("[::1:80"), "argument: cannot listen on \"[::1:80\": the ] is missing" + end);
  EXPECT_EQ(parsed("[::1]80"),
            "argument: cannot listen on \"[::1]80\": behind the ] only a port may stand" + end);
  for (const std::string address : {"example.org", "1.2.3", "256.0.0.1"}) {
    EXPECT_EQ(parsed(address + ":80"),
              "argument: cannot listen on " + address +
                  ": an address is four numbers as in 127.0.0.1, an IPv6 address as in [::1], or "
                  "localhost");
  }
  EXPECT_TRUE(is_loopback({"127.0.0.1", 1}));
  EXPECT_TRUE(is_loopback({"127.3.0.1", 1}));
  EXPECT_TRUE(is_loopback({"::1", 1}));
  EXPECT_FALSE(is_loopback({"0.0.0.0", 1}));
  EXPECT_FALSE(is_loopback({"::", 1}));
  EXPECT_FALSE(is_loopback({"192.168.1.5", 1}));
}

TEST(Listen, OnWhatIsTakenIsRefused) {
  const HttpServer first({"127.0.0.1", 0}, {}, Router());
  const Listen same{"127.0.0.1", first.port()};
  EXPECT_EQ(error_of([&] { const HttpServer second(same, {}, Router()); }),
            "argument: cannot listen on 127.0.0.1:" + std::to_string(first.port()) +
                ": another program listens there\n  name another port with --listen, or 0 for any "
                "that is free");
  EXPECT_EQ(error_of([&] {
              const HttpServer other({"192.0.2.1", 0}, {}, Router());
            }),
            "argument: cannot listen on 192.0.2.1:0: the address is none of this machine's");
}

}  // namespace
}  // namespace semblance::service
