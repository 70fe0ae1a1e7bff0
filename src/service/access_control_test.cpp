#include "service/access_control.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "service/base64.h"
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

/// The refusal's status, 0 if there is none.
int refused(const AccessControl& access, const HttpRequest& request, bool open = false) {
  const auto refusal = access.refuse(request, open);
  return refusal ? refusal->status : 0;
}

TEST(AccessControl, HostsMustBeTheServicesNames) {
  const AccessControl loopback(
      {.listen_address = "127.0.0.1", .hosts = {"Semblance.Example", "nas"}});
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

TEST(AccessControl, ListeningEverywhereAllowsNumericAddresses) {
  const AccessControl everywhere({.listen_address = "0.0.0.0"});
  EXPECT_EQ(refused(everywhere, get({{"host", "192.168.1.5:7860"}})), 0);
  EXPECT_EQ(refused(everywhere, get({{"host", "[fe80::1]:7860"}})), 0);
  EXPECT_EQ(refused(everywhere, get({{"host", "192.168.1"}})), 403);
  EXPECT_EQ(refused(everywhere, get({{"host", "1.2.3.4.5"}})), 403);
  EXPECT_EQ(refused(everywhere, get({{"host", "evil.example"}})), 403);
  const AccessControl one({.listen_address = "192.168.1.5"});
  EXPECT_EQ(refused(one, get({{"host", "192.168.1.5:7860"}})), 0);
  EXPECT_EQ(refused(one, get({{"host", "192.168.1.6:7860"}})), 403);
}

TEST(AccessControl, OriginsMustBeOwnOrAllowed) {
  const AccessControl access(
      {.hosts = {"semblance.example"}, .origins = {"https://app.example:8443"}});
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
      EXPECT_EQ(refused(access, request), status) << method << " " << host << " " << origin;
      EXPECT_EQ(refused(access, request, true), status) << origin << ", open";
    }
  }
}

TEST(AccessControl, PagesOfOtherSitesAreRefused) {
  const AccessControl access({.origins = {"https://app.example"}});
  const auto with = [](const std::string& site, const std::string& mode, const std::string& dest) {
    return Headers{{"sec-fetch-site", site}, {"sec-fetch-mode", mode}, {"sec-fetch-dest", dest}};
  };
  EXPECT_EQ(refused(access, get(with("same-origin", "cors", "empty"))), 0);
  EXPECT_EQ(refused(access, get(with("none", "navigate", "document"))), 0);
  EXPECT_EQ(refused(access, get(with("cross-site", "no-cors", "image"))), 403);
  EXPECT_EQ(refused(access, get(with("same-site", "no-cors", "image"))), 403);
  // Another site may link to the page, but not to the API, and not embed it in a frame.
  EXPECT_EQ(refused(access, get(with("cross-site", "navigate", "document")), true), 0);
  EXPECT_EQ(refused(access, get(with("cross-site", "navigate", "document"))), 403);
  EXPECT_EQ(refused(access, get(with("cross-site", "navigate", "iframe")), true), 403);
  EXPECT_EQ(refused(access, get(with("cross-site", "no-cors", "script")), true), 403);
  EXPECT_EQ(refused(access, get(with("cross-site", "navigate", "document"), "POST"), true), 403);
  Headers allowed = with("cross-site", "cors", "empty");
  allowed["origin"] = "https://app.example";
  EXPECT_EQ(refused(access, get(allowed)), 0);
}

constexpr const char* kKey = "s3cret;\"key-of-tests";

HttpRequest login_with(const std::string& key, const std::string& client = "192.168.1.7") {
  HttpRequest request = get({}, "POST");
  request.path = "/api/login";
  request.client = client;
  request.body = nlohmann::json{{"key", key}}.dump();
  return request;
}

/// "name=value" of the response's cookie.
std::string cookie_of(const HttpResponse& response) {
  const std::string cookie = response.headers.at("Set-Cookie");
  return cookie.substr(0, cookie.find(';'));
}

TEST(AccessControl, TheKeyIsRequired) {
  const AccessControl access({.key = kKey});
  EXPECT_TRUE(access.has_key());
  const auto status = [&](const Headers& headers, bool open = false) {
    return refused(access, get(headers), open);
  };
  const std::string key = kKey;
  EXPECT_EQ(status({}), 401);
  EXPECT_EQ(status({}, true), 0);
  EXPECT_EQ(status({{"authorization", "Bearer " + key}}), 0);
  EXPECT_EQ(status({{"authorization", "bearer  " + key}}), 0);
  EXPECT_EQ(status({{"authorization", "Bearer " + key.substr(1)}}), 401);
  EXPECT_EQ(status({{"authorization", "Bearer " + key + "y"}}), 401);
  EXPECT_EQ(status({{"authorization", "Bearer " + key + key}}), 401);
  EXPECT_EQ(status({{"authorization", "Bearer "}}), 401);
  EXPECT_EQ(status({{"authorization", "Basic " + key}}), 401);
  EXPECT_EQ(status({{"authorization", key}}), 401);

  const auto refusal = access.refuse(get({}), false);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->headers.at("WWW-Authenticate"), "Bearer");
  EXPECT_NE(refusal->body.whole().find("Authorization: Bearer KEY"), std::string::npos);
  EXPECT_EQ(refusal->body.whole().find("s3cret"), std::string::npos);
}

/// As clients of AUTOMATIC1111's web UI log in: `--api-auth user:password` there.
TEST(AccessControl, TheKeyMayBeThePasswordOfBasic) {
  const AccessControl access({.key = kKey});
  const auto status = [&](const std::string& scheme, const std::string& login) {
    return refused(access, get({{"authorization", scheme + base64(login)}}));
  };
  const std::string key = kKey;
  for (const char* user : {"", "user", "us er"})
    EXPECT_EQ(status("Basic ", std::string(user) + ":" + key), 0) << user;
  EXPECT_EQ(status("bAsIc  ", "u:" + key), 0);
  for (const std::string& login : {key, key + ":", key + ":u", std::string(":")})
    EXPECT_EQ(status("Basic ", login), 401) << login;
  EXPECT_EQ(refused(access, get({{"authorization", "Basic u:" + key}})), 401);
  EXPECT_EQ(refused(access, get({{"authorization", "Basic"}})), 401);
  const std::string key_with_colons = "one:two:three:four";
  const AccessControl colons({.key = key_with_colons});
  const std::string right = "Basic " + base64("u:" + key_with_colons);
  EXPECT_EQ(refused(colons, get({{"authorization", right}})), 0);
}

TEST(AccessControl, ASessionReplacesTheKeyUntilItEnds) {
  auto now = Clock::now();
  const AccessControl access({.key = kKey, .now = [&now] { return now; }});
  const auto status = [&](const std::string& cookie) {
    return refused(access, get({{"cookie", cookie}}));
  };
  const HttpResponse response = access.login(login_with(kKey));
  EXPECT_EQ(response.status, 204);
  const std::string cookie = response.headers.at("Set-Cookie");
  EXPECT_TRUE(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000")) << cookie;
  const std::string pair = cookie_of(response);
  EXPECT_EQ(pair.size(), std::string("semblance_session=").size() + 64);
  EXPECT_NE(pair, cookie_of(access.login(login_with(kKey))));
  EXPECT_EQ(status(pair), 0);
  EXPECT_EQ(status("a=b; " + pair + "; c=d"), 0);
  EXPECT_EQ(status("not_" + pair), 401);
  EXPECT_EQ(status(pair + "00"), 401);
  EXPECT_EQ(status(pair.substr(0, pair.size() - 1)), 401);
  EXPECT_EQ(status("semblance_session="), 401);
  std::string key_in_hex;
  for (const char c : std::string(kKey)) key_in_hex += fmt::format("{:02x}", c);
  EXPECT_EQ(status("semblance_session=" + key_in_hex), 401);
  EXPECT_EQ(status("semblance_key=" + key_in_hex), 401);
  now += Sessions::kLife - std::chrono::seconds(1);
  EXPECT_EQ(status(pair), 0);
  now += std::chrono::seconds(1);
  EXPECT_EQ(status(pair), 401);
}

TEST(AccessControl, LoggingOutEndsOnlyThatSession) {
  const AccessControl access({.key = kKey});
  const std::string one = cookie_of(access.login(login_with(kKey)));
  const std::string other = cookie_of(access.login(login_with(kKey)));
  const HttpResponse response = access.logout(get({{"cookie", one}}, "POST"));
  EXPECT_EQ(response.status, 204);
  EXPECT_TRUE(response.headers.at("Set-Cookie").starts_with("semblance_session=; "));
  EXPECT_TRUE(response.headers.at("Set-Cookie").ends_with("; Max-Age=0"));
  EXPECT_EQ(refused(access, get({{"cookie", one}})), 401);
  EXPECT_EQ(refused(access, get({{"cookie", other}})), 0);
  EXPECT_EQ(access.logout(get({}, "POST")).status, 204);
  EXPECT_EQ(refused(access, get({{"cookie", other}})), 0);
}

TEST(AccessControl, TooManySessionsEndTheOldest) {
  const AccessControl access({.key = kKey});
  const std::string oldest = cookie_of(access.login(login_with(kKey)));
  for (std::size_t i = 1; i < Sessions::kMost; ++i) access.login(login_with(kKey));
  EXPECT_EQ(refused(access, get({{"cookie", oldest}})), 0);
  const std::string newest = cookie_of(access.login(login_with(kKey)));
  EXPECT_EQ(refused(access, get({{"cookie", oldest}})), 401);
  EXPECT_EQ(refused(access, get({{"cookie", newest}})), 0);
}

TEST(AccessControl, LoggingOutEverywhereEndsAllSessions) {
  const AccessControl access({.key = kKey});
  const std::string one = cookie_of(access.login(login_with(kKey)));
  const std::string other = cookie_of(access.login(login_with(kKey)));
  const auto everywhere = [&](const std::map<std::string, std::string>& headers,
                              const std::string& body = R"({"everywhere": true})") {
    HttpRequest request = get(headers, "POST");
    request.body = body;
    return access.logout(request).status;
  };
  EXPECT_EQ(everywhere({}), 401);
  EXPECT_EQ(everywhere({{"cookie", "semblance_session=0"}}), 401);
  EXPECT_EQ(everywhere({}, R"({"everywhere": false})"), 204);
  EXPECT_EQ(refused(access, get({{"cookie", other}})), 0);
  EXPECT_EQ(everywhere({{"cookie", one}}), 204);
  EXPECT_EQ(refused(access, get({{"cookie", one}})), 401);
  EXPECT_EQ(refused(access, get({{"cookie", other}})), 401);
  const std::string next = cookie_of(access.login(login_with(kKey)));
  EXPECT_EQ(everywhere({{"authorization", std::string("Bearer ") + kKey}}), 204);
  EXPECT_EQ(refused(access, get({{"cookie", next}})), 401);
  HttpRequest wrong = get({}, "POST");
  wrong.body = R"({"everywhere": "yes"})";
  try {
    access.logout(wrong);
    ADD_FAILURE() << "it was taken";
  } catch (const HttpError& error) {
    EXPECT_EQ(error.response().status, 400);
    EXPECT_NE(std::string(error.what()).find("cannot log out: expected no body, or a JSON body "),
              std::string::npos);
  }
}

TEST(AccessControl, BehindTlsTheCookieIsSecure) {
  const AccessControl access({.key = kKey});
  struct Case {
    const char *header, *value;
    bool is_secure;
  };
  for (const Case& c :
       {Case{"x-forwarded-proto", "https", true}, Case{"x-forwarded-proto", "HTTPS", true},
        Case{"x-forwarded-proto", "http", false}, Case{"x-forwarded-proto", "http, https", true},
        Case{"forwarded", "for=1.2.3.4;proto=https", true}, Case{"forwarded", "proto=http", false},
        // Proxies that say nothing, or only the last of several.
        Case{"origin", "https://localhost", true}, Case{"origin", "http://localhost", false}}) {
    HttpRequest request = login_with(kKey);
    request.headers[c.header] = c.value;
    for (const HttpResponse& response : {access.login(request), access.logout(request)})
      EXPECT_EQ(response.headers.at("Set-Cookie").ends_with("; Secure"), c.is_secure) << c.value;
  }
}

TEST(AccessControl, GuessingIsSlowedDown) {
  auto now = Clock::now();
  const AccessControl access({.key = kKey, .now = [&now] { return now; }});
  const auto send = [&](const std::string& client, const std::string& header) {
    HttpRequest request = get({{"authorization", header}});
    request.client = client;
    return refused(access, request);
  };
  const auto bearer = [&](const std::string& client, const std::string& key) {
    return send(client, "Bearer " + key);
  };
  EXPECT_EQ(bearer("10.0.0.1", kKey), 0);  // known from now on
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(i % 2 == 0 ? bearer("10.0.0.2", "wrong")
                         : send("10.0.0.2", "Basic " + base64("user:wrong")),
              401);
    EXPECT_EQ(access.login(login_with("wrong", "10.0.0.2")).status, 401);
    now += std::chrono::seconds(1);
  }
  const HttpResponse held = access.login(login_with(kKey, "10.0.0.2"));
  EXPECT_EQ(held.status, 429);  // even for the right key
  EXPECT_EQ(held.headers.at("Retry-After"), "55");
  EXPECT_NE(held.body.whole().find("10 wrong keys within a minute"), std::string::npos);
  EXPECT_EQ(bearer("10.0.0.2", kKey), 429);
  EXPECT_EQ(bearer("10.0.0.3", kKey), 429) << "over all unknown addresses";
  EXPECT_EQ(bearer("10.0.0.1", kKey), 0) << "known addresses are not locked out";
  for (int i = 0; i < 10; ++i) EXPECT_EQ(bearer("10.0.0.1", "wrong"), 401);
  EXPECT_EQ(bearer("10.0.0.1", kKey), 429);
  now += std::chrono::seconds(55);
  EXPECT_EQ(bearer("10.0.0.2", kKey), 0);
  EXPECT_EQ(bearer("10.0.0.1", kKey), 429);
  now += std::chrono::seconds(5);
  EXPECT_EQ(bearer("10.0.0.1", kKey), 0);
  // Neither a session nor a missing key counts as a guess.
  const std::string cookie = cookie_of(access.login(login_with(kKey, "10.0.0.4")));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(refused(access, get({{"cookie", cookie}, {"authorization", "Bearer wrong"}})), 0);
    EXPECT_EQ(refused(access, get({})), 401);
  }
}

TEST(AccessControl, AnIpv6NetworkCountsAsOneClient) {
  const AccessControl access({.key = kKey});
  for (int i = 0; i < 10; ++i) {
    const std::string client = "2001:db8::" + std::to_string(i + 1);
    EXPECT_EQ(access.login(login_with("wrong", client)).status, 401);
  }
  EXPECT_EQ(access.login(login_with("wrong", "2001:db8::ffff:1")).status, 429);
}

/// "client origin" as the access sets them for a connection from `address`.
std::string identified(const AccessControl& access, const std::string& address, Headers headers) {
  HttpRequest request = get(std::move(headers));
  access.identify(request, address);
  return request.client + " " + request.origin;
}

TEST(AccessControl, AProxyOnThisMachineNamesTheClient) {
  const AccessControl access({});
  const auto client = [&](const std::string& address, const std::string& forwarded) {
    return identified(access, address, {{"x-forwarded-for", forwarded}});
  };
  const std::string origin = " http://localhost:7860";
  EXPECT_EQ(client("127.0.0.1", "203.0.113.9"), "203.0.113.9" + origin);
  EXPECT_EQ(client("::1", "1.2.3.4, 2001:db8::1"), "2001:db8::1" + origin);
  EXPECT_EQ(client("127.0.0.1", "1.2.3.4, unknown"), "127.0.0.1" + origin);
  EXPECT_EQ(client("127.0.0.1", ""), "127.0.0.1" + origin);
  EXPECT_EQ(client("192.168.1.7", "203.0.113.9"), "192.168.1.7" + origin);
}

TEST(AccessControl, OnlyATrustedProxySetsTheOrigin) {
  const AccessControl access(
      {.hosts = {"semblance.example"}, .proxies = {"172.17.0.1", "2001:DB8::0:1"}});
  const Headers said{{"x-forwarded-for", "203.0.113.9"},
                     {"x-forwarded-proto", "https"},
                     {"x-forwarded-host", "semblance.example"}};
  EXPECT_EQ(identified(access, "172.17.0.1", said), "203.0.113.9 https://semblance.example");
  EXPECT_EQ(identified(access, "2001:db8::1", said), "203.0.113.9 https://semblance.example");
  EXPECT_EQ(identified(access, "172.17.0.2", said), "172.17.0.2 http://localhost:7860");
  EXPECT_EQ(identified(access, "127.0.0.1", said), "203.0.113.9 http://localhost:7860");
  // A host that the proxy passes on from its client must be one of the service's names.
  Headers evil = said;
  evil["x-forwarded-host"] = "evil.example";
  EXPECT_EQ(identified(access, "172.17.0.1", evil), "203.0.113.9 https://localhost:7860");
  EXPECT_EQ(identified(access, "172.17.0.1",
                       {{"forwarded", "for=1.2.3.4;proto=https;host=\"semblance.example:444\""}}),
            "172.17.0.1 https://semblance.example:444");
}

TEST(AccessControl, APublicUrlOverridesHeaders) {
  for (const auto& [given, origin] : std::vector<std::pair<std::string, std::string>>{
           {"https://Semblance.Example", "https://semblance.example"},
           {"https://semblance.example:443/", "https://semblance.example"},
           {"http://semblance.example:8080/a/b-c/", "http://semblance.example:8080/a/b-c"}}) {
    const AccessControl access({.public_url = given, .proxies = {"172.17.0.1"}});
    const Headers said{{"x-forwarded-proto", "http"}, {"x-forwarded-host", "localhost"}};
    EXPECT_EQ(identified(access, "172.17.0.1", said), "172.17.0.1 " + origin);
    EXPECT_EQ(refused(access, get({{"host", "semblance.example"}})), 0) << "its host is allowed";
    EXPECT_EQ(refused(access, get({{"host", "evil.example"}})), 403);
  }
}

TEST(AccessControl, ALinkOpensOnlyItsPicture) {
  Time now{std::chrono::seconds(1'700'000'000)};
  const Links links("a secret", [&now] { return now; });
  const AccessControl access({.key = kKey, .links = &links});
  const auto with_link = [&](const std::string& path, Headers headers = {}) {
    const std::string link = links.signed_path("/api/jobs/1/images/0");
    HttpRequest request = get(std::move(headers));
    request.path = path;
    request.query = {{"expires", "1700003600"}, {"signature", link.substr(link.size() - 64)}};
    return request;
  };
  const HttpRequest request = with_link("/api/jobs/1/images/0");
  EXPECT_EQ(refused(access, request), 0);
  // Even from another site's page, but only for the service's own host names.
  EXPECT_EQ(refused(access, with_link("/api/jobs/1/images/0", {{"sec-fetch-site", "cross-site"}})),
            0);
  EXPECT_EQ(refused(access, with_link("/api/jobs/1/images/0", {{"origin", "http://a.example"}})),
            0);
  EXPECT_EQ(refused(access, with_link("/api/jobs/1/images/0", {{"host", "evil.example"}})), 403);
  EXPECT_EQ(refused(access, with_link("/api/jobs/1/images/0", {{"authorization", "Bearer wrong"}})),
            0);
  EXPECT_EQ(refused(access, with_link("/api/jobs/1/images/1")), 401);
  EXPECT_EQ(refused(access, with_link("/api/jobs/1")), 401);
  EXPECT_EQ(refused(access, with_link("/api/jobs/1/images/1", {{"sec-fetch-site", "cross-site"}})),
            403);
  now += std::chrono::hours(1);
  const auto ended = access.refuse(request, false);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->status, 403);
  EXPECT_NE(ended->body.whole().find("cannot open the link: it expired after 60 minutes"),
            std::string::npos);
  EXPECT_EQ(refused(access, with_link("/api/jobs/1/images/0",
                                      {{"authorization", std::string("Bearer ") + kKey}})),
            0);
}

TEST(AccessControl, LoginSaysWhatIsWrong) {
  const AccessControl access({.key = kKey});
  const auto login = [&](const std::string& body) {
    HttpRequest request = get({}, "POST");
    request.body = body;
    return access.login(request);
  };
  for (const std::string body : {"", "{", "[]", "{}", R"({"key": 1})", R"("key")"}) {
    EXPECT_EQ(login(body).status, 400) << body;
    EXPECT_NE(login(body).body.whole().find("expected a JSON body such as"), std::string::npos);
  }
  EXPECT_EQ(login(R"({"key": "other"})").status, 401);
  EXPECT_NE(login(R"({"key": "other"})").body.whole().find("wrong key"), std::string::npos);
  EXPECT_FALSE(login(R"({"key": "other"})").headers.contains("Set-Cookie"));
  const AccessControl without({});
  EXPECT_EQ(without.login(get({}, "POST")).status, 204);
  EXPECT_EQ(refused(without, get({})), 0);
}

TEST(AccessControl, ComparesWholeSecrets) {
  EXPECT_TRUE(same_secret("abc", "abc"));
  EXPECT_FALSE(same_secret("abcabc", "abc"));
  EXPECT_FALSE(same_secret("ab", "abc"));
  EXPECT_FALSE(same_secret("", "abc"));
  EXPECT_FALSE(same_secret("abd", "abc"));
  EXPECT_TRUE(same_secret("", ""));
}

TEST(AccessControl, AnswersPreflights) {
  const AccessControl access({.key = kKey, .origins = {"https://app.example"}});
  const HttpRequest preflight = get({{"origin", "https://app.example"},
                                     {"access-control-request-method", "POST"},
                                     {"access-control-request-headers", "authorization,x-a"},
                                     {"access-control-request-private-network", "true"}},
                                    "OPTIONS");
  EXPECT_EQ(refused(access, preflight, true), 0);
  HttpResponse response = access.answer_options(preflight, {"GET", "POST"});
  access.add_cors_headers(preflight, response);
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.headers["Allow"], "GET, POST");
  EXPECT_EQ(response.headers["Access-Control-Allow-Methods"], "GET, POST");
  EXPECT_EQ(response.headers["Access-Control-Allow-Headers"], "authorization,x-a");
  EXPECT_EQ(response.headers["Access-Control-Allow-Origin"], "https://app.example");
  EXPECT_EQ(response.headers["Access-Control-Allow-Private-Network"], "true");
  EXPECT_EQ(response.headers["Vary"], "Origin");
  EXPECT_FALSE(response.headers.contains("Access-Control-Allow-Credentials"));

  HttpResponse plain = access.answer_options(get({}, "OPTIONS"), {"GET"});
  EXPECT_EQ(plain.headers["Allow"], "GET");
  EXPECT_FALSE(plain.headers.contains("Access-Control-Allow-Methods"));
  HttpResponse own;
  access.add_cors_headers(get({{"origin", "http://localhost:7860"}}), own);
  EXPECT_FALSE(own.headers.contains("Access-Control-Allow-Origin"));
  HttpResponse closed;
  AccessControl({}).add_cors_headers(get({{"origin", "https://app.example"}}), closed);
  EXPECT_TRUE(closed.headers.empty());
}

TEST(AccessControl, RefusesMalformedOptions) {
  const auto error = [](AccessOptions options) {
    return error_of([&] { const AccessControl access(std::move(options)); });
  };
  for (const std::string host : {"", "a:80", "http://a", "a/b", "a b", "[::1]"}) {
    EXPECT_EQ(error({.hosts = {host}}),
              "argument: cannot allow the host " + host +
                  ": expected a name without scheme, port and path, such as semblance.example");
  }
  for (const std::string origin :
       {"", "*", "null", "app.example", "ftp://a", "http://a/", "http://"}) {
    EXPECT_EQ(error({.origins = {origin}}),
              "argument: cannot allow the origin " + origin +
                  ": expected only a scheme and a host, such as https://app.example:8443");
  }
  for (const std::string url :
       {"semblance.example", "https://", "ftp://a.example", "https://a.example?x", "https://a b",
        "https://a.example/a b", "https://a.example/#x", "https://user@a.example",
        "https://[::1]"}) {
    EXPECT_EQ(error({.public_url = url}),
              "argument: cannot take the public URL " + url +
                  ": expected http:// or https://, a host name and an optional path, such as "
                  "https://semblance.example");
  }
  for (const std::string proxy : {"", "localhost", "10.0.0.0/8", "1.2.3", "[::1]"}) {
    EXPECT_EQ(error({.proxies = {proxy}}),
              "argument: cannot trust the proxy " + proxy +
                  ": expected a numeric address, such as 127.0.0.1 or 2001:db8::1");
  }
  const auto refuses = [&](const std::string& key, const std::string& got) {
    EXPECT_EQ(error({.key = key}),
              "argument: cannot take the key: expected 16 to 512 visible ASCII characters without "
              "spaces, got " +
                  got + "\n  `head -c 24 /dev/urandom | base64` makes one");
  };
  refuses(std::string(15, 'k'), "15 characters");
  refuses("k", "1 characters");
  refuses(std::string(513, 'k'), "513 characters");
  refuses("a key with some spaces", "22 bytes with other characters");
  refuses("sixteen and more \xC3\xA9", "19 bytes with other characters");
  EXPECT_EQ(error({.key = std::string(16, 'k')}), "no error");
  EXPECT_EQ(error({.key = std::string(512, 'k')}), "no error");
}

}  // namespace
}  // namespace semblance::service
