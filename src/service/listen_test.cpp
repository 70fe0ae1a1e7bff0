#include <gtest/gtest.h>

#include "service/server.h"
#include "tests/support/errors.h"

namespace semblance::service {
namespace {

using semblance::testing::error_of;

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
  const std::string end = "; for example 127.0.0.1:7860 or [::1]:7860";
  EXPECT_EQ(parsed(""), "argument: cannot listen on \"\": expected an address and a port" + end);
  for (const std::string text : {"127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", ":123456"}) {
    EXPECT_EQ(parsed(text),
              "argument: cannot listen on \"" + text + "\": expected a port from 0 to 65535" + end);
  }
  EXPECT_EQ(parsed("[::1:80"), "argument: cannot listen on \"[::1:80\": the ] is missing" + end);
  EXPECT_EQ(parsed("[::1]80"),
            "argument: cannot listen on \"[::1]80\": only a port may follow the ]" + end);
  for (const std::string address : {"example.org", "1.2.3", "256.0.0.1"}) {
    EXPECT_EQ(parsed(address + ":80"),
              "argument: cannot listen on " + address +
                  ": expected an IPv4 address such as 127.0.0.1, an IPv6 address such as [::1], or "
                  "localhost");
  }
  EXPECT_TRUE(is_loopback({"127.0.0.1", 1}));
  EXPECT_TRUE(is_loopback({"127.3.0.1", 1}));
  EXPECT_TRUE(is_loopback({"::1", 1}));
  EXPECT_FALSE(is_loopback({"0.0.0.0", 1}));
  EXPECT_FALSE(is_loopback({"::", 1}));
  EXPECT_FALSE(is_loopback({"192.168.1.5", 1}));
}

TEST(Listen, RefusesAPortInUseAndAForeignAddress) {
  const HttpServer first({"127.0.0.1", 0}, {}, Router());
  const Listen same{"127.0.0.1", first.port()};
  EXPECT_EQ(
      error_of([&] { const HttpServer second(same, {}, Router()); }),
      "argument: cannot listen on 127.0.0.1:" + std::to_string(first.port()) +
          ": another program is listening there\n  choose another port with --listen, or 0 for any "
          "free port");
  EXPECT_EQ(error_of([&] {
              const HttpServer other({"192.0.2.1", 0}, {}, Router());
            }),
            "argument: cannot listen on 192.0.2.1:0: this machine does not have that address");
}

}  // namespace
}  // namespace semblance::service
