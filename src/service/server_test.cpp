#include "service/server_test.h"

namespace semblance::service {
namespace {

using namespace std::chrono_literals;
using namespace testing;

class Server : public ServerTest {};

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
  EXPECT_EQ(one.ask(request("GET", "/api/info")).body.size(), 31U) << "no leftover bytes";
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

TEST_F(Server, ChecksKeyHostAndOrigin) {
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
            "service; allow it with --host");
  EXPECT_EQ(error_in(ask(request("GET", "/", "Origin: http://evil.example\r\n"))),
            "forbidden: cannot answer a page of http://evil.example: other origins must be allowed "
            "with --cors-origin");
  EXPECT_EQ(error_in(ask(request("GET", "/", "Sec-Fetch-Site: cross-site\r\n"))),
            "forbidden: cannot answer a page of another site: open this service's own page, or "
            "allow the other origin with --cors-origin");
}

TEST_F(Server, RefusedUploadsAreNotRead) {
  start({}, {.key = "the-key-of-tests"});
  Client one = client();
  one.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\nfirst bytes");
  EXPECT_EQ(one.reply().status, 401) << "before the body has arrived";
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
  EXPECT_EQ(error_in(reply), "memory: cannot answer: out of memory");
  reply = one.ask(request("GET", "/throw/bug"));
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(error_in(reply), "internal: internal error: a bug");
  EXPECT_EQ(server_->counts().responses_5xx, 2U);
  const Reply split = one.ask(request("GET", "/throw/header"));
  EXPECT_FALSE(split.headers.contains("set-cookie"));
  EXPECT_EQ(split.status, 500);
}

TEST_F(Server, SendsLargeBodiesCompletely) {
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
  EXPECT_EQ(one.ask(request("GET", "/api/info")).status, 200) << "the connection stays open";
}

TEST_F(Server, AStreamThatThrowsIsCutOff) {
  start();
  const Reply reply = ask(request("GET", "/broken"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_FALSE(reply.is_whole);
}

TEST_F(Server, NoticesThatAClientHasLeft) {
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
    one.send(request("GET", "/wait") +
             request("GET", "/api/info"));  // with a second request pending
    ASSERT_TRUE(becomes_true([&] { return seen_->calls == 1; }));
    EXPECT_FALSE(seen_->has_left);
  }
  EXPECT_TRUE(becomes_true([&] { return seen_->has_left.load(); }));
  EXPECT_LT(seconds_since(begin), 0.5);
  EXPECT_TRUE(becomes_true([&] { return server_->counts().handling == 0; }));
}

TEST_F(Server, AClientMayCloseItsSendingSide) {
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

}  // namespace
}  // namespace semblance::service
