#include "service/links.h"

#include <gtest/gtest.h>

namespace semblance::service {
namespace {

using std::chrono::seconds;

/// A client's request for `link`.
HttpRequest request_of(const std::string& link) {
  HttpRequest request{.method = "GET", .path = link.substr(0, link.find('?'))};
  const std::size_t expires = link.find("expires="), signature = link.find("signature=");
  if (expires != link.npos)
    request.query["expires"] = link.substr(expires + 8, link.find('&') - expires - 8);
  if (signature != link.npos) request.query["signature"] = link.substr(signature + 10);
  return request;
}

TEST(Links, OpenTheirPathForAnHour) {
  Time now{seconds(1'700'000'000)};
  const Links links("a secret", [&now] { return now; });
  const std::string link = links.signed_path("/api/jobs/1/images/0");
  EXPECT_TRUE(link.starts_with("/api/jobs/1/images/0?expires=1700003600&signature=")) << link;
  EXPECT_EQ(link.size(),
            std::string("/api/jobs/1/images/0?expires=1700003600&signature=").size() + 64);
  EXPECT_EQ(links.right_of(request_of(link)), Links::Right::kGiven);
  now += seconds(3599);
  EXPECT_EQ(links.right_of(request_of(link)), Links::Right::kGiven);
  now += seconds(1);
  EXPECT_EQ(links.right_of(request_of(link)), Links::Right::kEnded);
}

TEST(Links, OpenNothingElse) {
  const Links links("a secret"), others("another secret");
  const std::string link = links.signed_path("/api/jobs/1/images/0");
  const auto right_with = [&](auto&& change) {
    HttpRequest request = request_of(link);
    change(request);
    return links.right_of(request);
  };
  constexpr auto kNone = Links::Right::kNone;
  EXPECT_EQ(right_with([](HttpRequest&) {}), Links::Right::kGiven);
  EXPECT_EQ(right_with([](HttpRequest& r) { r.path = "/api/jobs/1/images/1"; }), kNone);
  EXPECT_EQ(right_with([](HttpRequest& r) { r.path = "/api/jobs/1"; }), kNone);
  for (const char* method : {"DELETE", "POST", "OPTIONS"})
    EXPECT_EQ(right_with([&](HttpRequest& r) { r.method = method; }), kNone) << method;
  // Any change invalidates the signature.
  EXPECT_EQ(right_with([](HttpRequest& r) { r.query["expires"].back() ^= 1; }), kNone);
  EXPECT_EQ(right_with([](HttpRequest& r) { r.query["expires"] += "0"; }), kNone);
  EXPECT_EQ(right_with([](HttpRequest& r) { r.query["signature"].back() ^= 1; }), kNone);
  EXPECT_EQ(right_with([](HttpRequest& r) { r.query["signature"].pop_back(); }), kNone);
  EXPECT_EQ(right_with([](HttpRequest& r) { r.query["signature"].clear(); }), kNone);
  EXPECT_EQ(right_with([](HttpRequest& r) { r.query.erase("signature"); }), kNone);
  EXPECT_EQ(right_with([](HttpRequest& r) { r.query.erase("expires"); }), kNone);
  EXPECT_EQ(others.right_of(request_of(link)), kNone);
}

}  // namespace
}  // namespace semblance::service
