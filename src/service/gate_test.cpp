#include "service/gate.h"

#include <gtest/gtest.h>

#include "tests/support/errors.h"

namespace semblance::service {
namespace {

using semblance::testing::error_of;
using Headers = std::map<std::string, std::string>;

HttpRequest get(Headers headers, const std::string& method = "GET") {
  HttpRequest request;
  request.method = method;
  request.path = "/api/info";
  headers.try_emplace("host", "localhost:7860");
  request.headers = std::move(headers);
  return request;
}

/// The status of the refusal, 0 for none.
int refused(const Gate& gate, const HttpRequest& request, bool open = false) {
  const auto refusal = gate.refuse(request, open);
  return refusal ? refusal->status : 0;
}

TEST(Gate, HostsAreNamesOfOurs) {
  const Gate loopback({.listen_address = "127.0.0.1", .hosts = {"Semblance.Example", "nas"}});
  const std::vector<std::pair<std::string, int>> table = {
      {"localhost", 0},
      {"localhost:7860", 0},
      {"LOCALHOST", 0},
      {"localhost.", 0},
      {"app.localhost", 0},
      {"127.0.0.1:1", 0},
      {"127.8.9.1", 0},
      {"[::1]", 0},
      {"[::1]:7860", 0},
      {"semblance.example", 0},
      {"semblance.example:443", 0},
      {"nas:80", 0},
      {"", 403},
      {"evil.example", 403},
      {"localhost.evil.example", 403},
      {"127.0.0.1.evil.example", 403},
      {"evil.example:localhost", 403},
      {"localhost:", 403},
      {"localhost:99999999", 403},
      {"localhost:80:80", 403},
      {"evil.example#localhost", 403},
      {"user@localhost", 403},
      {"localhost/x", 403},
      {"[::1", 403},
      {"[localhost]", 403},
      {"[::1]x", 403},
      {"192.168.1.5", 403},
      {"127.1", 403},
      {"127.0.0.1.", 0},
  };
  for (const auto& [host, status] : table) {
    EXPECT_EQ(refused(loopback, get({{"host", host}})), status) << host;
    EXPECT_EQ(refused(loopback, get({{"host", host}}), true), status) << host << ", open";
  }
}

TEST(Gate, ListeningEverywhereIsAskedByAddress) {
  const Gate everywhere({.listen_address = "0.0.0.0"});
  EXPECT_EQ(refused(everywhere, get({{"host", "192.168.1.5:7860"}})), 0);
  EXPECT_EQ(refused(everywhere, get({{"host", "[fe80::1]:7860"}})), 0);
  EXPECT_EQ(refused(everywhere, get({{"host", "192.168.1"}})), 403);
  EXPECT_EQ(refused(everywhere, get({{"host", "1.2.3.4.5"}})), 403);
  EXPECT_EQ(refused(everywhere, get({{"host", "evil.example"}})), 403);
  const Gate one({.listen_address = "192.168.1.5"});
  EXPECT_EQ(refused(one, get({{"host", "192.168.1.5:7860"}})), 0);
  EXPECT_EQ(refused(one, get({{"host", "192.168.1.6:7860"}})), 403);
}

TEST(Gate, OriginsAreOurOwnOrNamed) {
  const Gate gate({.hosts = {"semblance.example"}, .origins = {"https://app.example:8443"}});
  const std::vector<std::tuple<std::string, std::string, int>> table = {
      {"localhost:7860", "http://localhost:7860", 0},
      {"localhost:7860", "http://LOCALHOST:7860", 0},
      {"localhost:80", "http://localhost", 0},
      {"localhost", "http://localhost:80", 0},
      {"semblance.example", "https://semblance.example", 0},
      {"localhost:7860", "https://app.example:8443", 0},
      {"localhost:7860", "http://localhost", 403},
      {"localhost:7860", "http://localhost:3000", 403},
      {"localhost:7860", "http://127.0.0.1:7860", 403},
      {"localhost:7860", "https://app.example", 403},
      {"localhost:7860", "http://app.example:8443", 403},
      {"localhost:7860", "https://app.example:8443.evil.example", 403},
      {"localhost:7860", "http://evil.example", 403},
      {"localhost:7860", "null", 403},
      {"localhost:7860", "file://", 403},
      {"localhost:7860", "ftp://localhost:7860", 403},
      {"localhost:7860", "http://localhost:7860/", 403},
      {"localhost:7860", "http://a http://localhost:7860", 403},
  };
  for (const auto& [host, origin, status] : table) {
    for (const std::string method : {"GET", "POST", "DELETE"}) {
      const HttpRequest request = get({{"host", host}, {"origin", origin}}, method);
      EXPECT_EQ(refused(gate, request), status) << method << " " << host << " " << origin;
      EXPECT_EQ(refused(gate, request, true), status) << origin << ", open";
    }
  }
}

TEST(Gate, PagesOfOtherSitesAreRefused) {
  const Gate gate({.origins = {"https://app.example"}});
  const auto with = [](const std::string& site, const std::string& mode, const std::string& dest) {
    return Headers{{"sec-fetch-site", site}, {"sec-fetch-mode", mode}, {"sec-fetch-dest", dest}};
  };
  EXPECT_EQ(refused(gate, get(with("same-origin", "cors", "empty"))), 0);
  EXPECT_EQ(refused(gate, get(with("none", "navigate", "document"))), 0);
  EXPECT_EQ(refused(gate, get(with("cross-site", "no-cors", "image"))), 403);
  EXPECT_EQ(refused(gate, get(with("same-site", "no-cors", "image"))), 403);
  // A link may lead to the page, but not to what the page alone asks for, and not into a frame.
  EXPECT_EQ(refused(gate, get(with("cross-site", "navigate", "document")), true), 0);
  EXPECT_EQ(refused(gate, get(with("cross-site", "navigate", "document"))), 403);
  EXPECT_EQ(refused(gate, get(with("cross-site", "navigate", "iframe")), true), 403);
  EXPECT_EQ(refused(gate, get(with("cross-site", "no-cors", "script")), true), 403);
  EXPECT_EQ(refused(gate, get(with("cross-site", "navigate", "document"), "POST"), true), 403);
  Headers allowed = with("cross-site", "cors", "empty");
  allowed["origin"] = "https://app.example";
  EXPECT_EQ(refused(gate, get(allowed)), 0);
}

TEST(Gate, TheKeyIsAsked) {
  const Gate gate({.key = "s3cret;\"key"});
  EXPECT_TRUE(gate.has_key());
  const auto status = [&](const Headers& headers, bool open = false) {
    return refused(gate, get(headers), open);
  };
  EXPECT_EQ(status({}), 401);
  EXPECT_EQ(status({}, true), 0);
  EXPECT_EQ(status({{"authorization", "Bearer s3cret;\"key"}}), 0);
  EXPECT_EQ(status({{"authorization", "bearer  s3cret;\"key"}}), 0);
  EXPECT_EQ(status({{"authorization", "Bearer s3cret;\"ke"}}), 401);
  EXPECT_EQ(status({{"authorization", "Bearer s3cret;\"keyy"}}), 401);
  EXPECT_EQ(status({{"authorization", "Bearer s3cret;\"keys3cret;\"key"}}), 401);
  EXPECT_EQ(status({{"authorization", "Bearer "}}), 401);
  EXPECT_EQ(status({{"authorization", "Basic s3cret;\"key"}}), 401);
  EXPECT_EQ(status({{"authorization", "s3cret;\"key"}}), 401);
  EXPECT_EQ(status({{"cookie", "semblance_key=s3cret;\"key"}}), 401);
  EXPECT_EQ(status({{"cookie", "semblance_key="}}), 401);

  HttpRequest login = get({}, "POST");
  login.body = R"({"key": "s3cret;\"key"})";
  const HttpResponse response = gate.login(login);
  EXPECT_EQ(response.status, 204);
  const std::string cookie = response.headers.at("Set-Cookie");
  EXPECT_NE(cookie.find("; HttpOnly; SameSite=Strict"), std::string::npos) << cookie;
  const std::string pair = cookie.substr(0, cookie.find(';'));
  EXPECT_EQ(status({{"cookie", pair}}), 0);
  EXPECT_EQ(status({{"cookie", "a=b; " + pair + "; c=d"}}), 0);
  EXPECT_EQ(status({{"cookie", "not_" + pair}}), 401);
  EXPECT_EQ(status({{"cookie", pair + "00"}}), 401);

  const auto refusal = gate.refuse(get({}), false);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->headers.at("WWW-Authenticate"), "Bearer");
  EXPECT_NE(refusal->body.find("Authorization: Bearer KEY"), std::string::npos);
  EXPECT_EQ(refusal->body.find("s3cret"), std::string::npos);
}

TEST(Gate, LoginSaysWhatIsWrong) {
  const Gate gate({.key = "key"});
  const auto login = [&](const std::string& body) {
    HttpRequest request = get({}, "POST");
    request.body = body;
    return gate.login(request);
  };
  for (const std::string body : {"", "{", "[]", "{}", R"({"key": 1})", R"("key")"}) {
    EXPECT_EQ(login(body).status, 400) << body;
    EXPECT_NE(login(body).body.find("the body must be JSON as in"), std::string::npos);
  }
  EXPECT_EQ(login(R"({"key": "other"})").status, 401);
  EXPECT_NE(login(R"({"key": "other"})").body.find("this is not the key"), std::string::npos);
  EXPECT_FALSE(login(R"({"key": "other"})").headers.contains("Set-Cookie"));
  const Gate without({});
  EXPECT_EQ(without.login(get({}, "POST")).status, 204);
  EXPECT_EQ(refused(without, get({})), 0);
}

TEST(Gate, ComparesWholeSecrets) {
  EXPECT_TRUE(same_secret("abc", "abc"));
  EXPECT_FALSE(same_secret("abcabc", "abc"));
  EXPECT_FALSE(same_secret("ab", "abc"));
  EXPECT_FALSE(same_secret("", "abc"));
  EXPECT_FALSE(same_secret("abd", "abc"));
  EXPECT_TRUE(same_secret("", ""));
}

TEST(Gate, AnswersPreflights) {
  const Gate gate({.key = "key", .origins = {"https://app.example"}});
  const HttpRequest preflight = get({{"origin", "https://app.example"},
                                     {"access-control-request-method", "POST"},
                                     {"access-control-request-headers", "authorization,x-a"},
                                     {"access-control-request-private-network", "true"}},
                                    "OPTIONS");
  EXPECT_EQ(refused(gate, preflight, true), 0);
  HttpResponse response = gate.answer_options(preflight, {"GET", "POST"});
  gate.add_cors_headers(preflight, response);
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.headers["Allow"], "GET, POST");
  EXPECT_EQ(response.headers["Access-Control-Allow-Methods"], "GET, POST");
  EXPECT_EQ(response.headers["Access-Control-Allow-Headers"], "authorization,x-a");
  EXPECT_EQ(response.headers["Access-Control-Allow-Origin"], "https://app.example");
  EXPECT_EQ(response.headers["Access-Control-Allow-Private-Network"], "true");
  EXPECT_EQ(response.headers["Vary"], "Origin");
  EXPECT_FALSE(response.headers.contains("Access-Control-Allow-Credentials"));

  HttpResponse plain = gate.answer_options(get({}, "OPTIONS"), {"GET"});
  EXPECT_EQ(plain.headers["Allow"], "GET");
  EXPECT_FALSE(plain.headers.contains("Access-Control-Allow-Methods"));
  HttpResponse own;
  gate.add_cors_headers(get({{"origin", "http://localhost:7860"}}), own);
  EXPECT_FALSE(own.headers.contains("Access-Control-Allow-Origin"));
  HttpResponse closed;
  Gate({}).add_cors_headers(get({{"origin", "https://app.example"}}), closed);
  EXPECT_TRUE(closed.headers.empty());
}

TEST(Gate, RefusesOptionsThatAreNone) {
  const auto error = [](GateOptions options) {
    return error_of([&] { const Gate gate(std::move(options)); });
  };
  for (const std::string host : {"", "a:80", "http://a", "a/b", "a b", "[::1]"}) {
    EXPECT_EQ(error({.hosts = {host}}),
              "argument: cannot allow the host " + host +
                  ": a host is a name without scheme, port and path, as in semblance.example");
  }
  for (const std::string origin :
       {"", "*", "null", "app.example", "ftp://a", "http://a/", "http://"}) {
    EXPECT_EQ(error({.origins = {origin}}),
              "argument: cannot allow the origin " + origin +
                  ": an origin is a scheme and a host and nothing behind them, as in "
                  "https://app.example:8443");
  }
  for (const std::string& key : std::vector<std::string>{
           std::string("a b"), std::string("\xC3\xA9"), std::string(513, 'k')}) {
    EXPECT_EQ(error({.key = key}),
              "argument: cannot take the key: it must be 1 to 512 visible ASCII characters without "
              "blanks, got " +
                  std::to_string(key.size()) + " characters");
  }
  EXPECT_EQ(error({.key = std::string(512, 'k')}), "no error");
}

}  // namespace
}  // namespace semblance::service
