#include "service/forwarded.h"

#include <gtest/gtest.h>

namespace semblance::service {
namespace {

/// "client scheme host", with "-" for an absent one.
std::string said(const std::map<std::string, std::string>& headers) {
  HttpRequest request;
  request.headers = headers;
  const Forwarded found = forwarded_in(request);
  const auto shown = [](const std::string& text) { return text.empty() ? "-" : text; };
  return shown(found.client) + " " + shown(found.scheme) + " " + shown(found.host);
}

TEST(Forwarded, TheLastEntryOfAListCounts) {
  EXPECT_EQ(said({{"x-forwarded-for", "203.0.113.9"},
                  {"x-forwarded-proto", "HTTPS"},
                  {"x-forwarded-host", "a.example:8443"}}),
            "203.0.113.9 https a.example:8443");
  EXPECT_EQ(said({{"x-forwarded-for", "1.2.3.4, 2001:DB8:0::1"},
                  {"x-forwarded-proto", "http, https"},
                  {"x-forwarded-host", "evil.example ,\ta.example"}}),
            "2001:db8::1 https a.example");
}

TEST(Forwarded, TheStandardHeaderIsRead) {
  EXPECT_EQ(said({{"forwarded", "for=192.0.2.60;Proto=https;host=\"a.example:8443\""}}),
            "- https a.example:8443");
  EXPECT_EQ(said({{"forwarded", "host=evil.example, proto=http; host=a.example"}}),
            "- http a.example");
  // A proxy that sets the other headers passes this one on unchecked.
  EXPECT_EQ(said({{"forwarded", "proto=http;host=evil.example"}, {"x-forwarded-proto", "https"}}),
            "- https -");
}

TEST(Forwarded, MalformedValuesAreIgnored) {
  EXPECT_EQ(said({}), "- - -");
  EXPECT_EQ(said({{"x-forwarded-for", "unknown"}, {"x-forwarded-proto", "javascript"}}), "- - -");
  EXPECT_EQ(said({{"x-forwarded-for", "1.2.3.4,"}, {"forwarded", ";=;host;proto==\""}}), "- - -");
}

}  // namespace
}  // namespace semblance::service
