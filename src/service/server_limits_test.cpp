#include <future>

#include "memory/heap.h"
#include "memory/meter.h"
#include "service/server_test.h"
#include "tests/support/sanitized.h"

namespace semblance::service {
namespace {

using namespace std::chrono_literals;
using namespace testing;

class ServerLimits : public ServerTest {};

TEST_F(ServerLimits, BodiesHaveALimit) {
  start();
  const std::string body(100'001, 'x');
  Reply reply = ask(request("POST", "/echo", "", body));
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(
      error_in(reply),
      "too_large: cannot take the request: expected a body of at most 100000 bytes, got 100001");
  EXPECT_EQ(ask(request("POST", "/echo", "", body.substr(1))).body.size(), 100'000U);
  Client one = client();
  one.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 100; ++i) one.send("2710\r\n" + std::string(10'000, 'x') + "\r\n");
  reply = one.reply();
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(
      error_in(reply),
      "too_large: cannot take the request: expected a body of at most 100000 bytes, got more");
  EXPECT_TRUE(becomes_true([&] { return server_->counts().bodies_bytes == 0; }));
  EXPECT_EQ(seen_->calls, 1);
}

TEST_F(ServerLimits, AClientThatSendsFarTooMuchGetsAnAnswer) {
  start();
  Client one = client();
  one.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000000\r\n\r\n");
  const std::string piece(1'000'000, 'x');
  for (int i = 0; i < 50; ++i) one.send(piece);
  EXPECT_EQ(one.reply().status, 413);
}

TEST_F(ServerLimits, AllBodiesTogetherHaveALimit) {
  start({.bodies_bytes = 150'000});
  Client first = client();
  first.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx");
  ASSERT_TRUE(becomes_true([&] { return server_->counts().bodies_bytes == 100'000; }));
  Reply busy = ask(request("POST", "/echo", "", std::string(80'000, 'x')));
  EXPECT_EQ(busy.status, 503);
  EXPECT_EQ(busy.headers["retry-after"], "2");
  EXPECT_EQ(error_in(busy),
            "busy: cannot take the request now: all request bodies together may have 150000 bytes; "
            "try again in a moment");
  EXPECT_EQ(ask(request("POST", "/echo", "", std::string(60'000, 'x'))).status, 200)
      << "small bodies have their own pool";
  EXPECT_EQ(ask(request("GET", "/api/info")).status, 200);
  first.close();
  ASSERT_TRUE(becomes_true([&] { return server_->counts().bodies_bytes == 0; }));
  EXPECT_EQ(ask(request("POST", "/echo", "", std::string(80'000, 'x'))).status, 200);
}

TEST_F(ServerLimits, SlowUploadsDoNotLockOutOthers) {
  start({.start_time = 1s});
  std::vector<Client> slow;
  for (int i = 0; i < 2; ++i) {
    slow.push_back(client());
    slow.back().send("POST /store HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12582912\r\n\r\n");
  }
  ASSERT_TRUE(becomes_true([&] { return server_->counts().bodies_bytes == 2U * 12'582'912; }));
  const auto begin = Clock::now();
  const std::string large(1'000'000, 'x');
  EXPECT_EQ(ask(request("POST", "/store", "", large)).status, 503);
  EXPECT_EQ(ask(request("POST", "/store", "", std::string(65'536, 'x'))).body, "65536");
  int status = 503;
  while (status == 503 && seconds_since(begin) < 20) {
    for (Client& one : slow) one.send("x");
    std::this_thread::sleep_for(50ms);
    status = ask(request("POST", "/store", "", large)).status;
  }
  EXPECT_EQ(status, 200);
  EXPECT_LT(seconds_since(begin), 10.0);
  for (Client& one : slow) EXPECT_EQ(one.reply().status, 408);
}

TEST_F(ServerLimits, BodiesTakeNoMoreThanIsBooked) {
  if (semblance::testing::kSanitized) GTEST_SKIP() << "sanitizers use extra memory";
  return_freed_memory();  // as the program does
  start();
  const auto resident = [] { return Meter().process().resident_bytes; };
  const std::string chunk = "100000\r\n" + std::string(1 << 20, 'x') + "\r\n";
  ask(request("POST", "/store", "", chunk));
  const std::uint64_t before = resident();
  // 24 MiB: one body of known length, one in chunks.
  Client one = client(), other = client();
  one.send("POST /store HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388608\r\n\r\n");
  other.send("POST /store HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 7; ++i) one.send(chunk.substr(8, 1 << 20));
  std::uint64_t most = 0;
  for (int i = 0; i < 15; ++i) {
    other.send(chunk);
    most = std::max(most, resident());
  }
  std::this_thread::sleep_for(100ms);
  most = std::max(most, resident());
  EXPECT_EQ(server_->counts().bodies_bytes, std::uint64_t{24} << 20U);
  EXPECT_GT(most - before, std::uint64_t{20} << 20U) << "the bodies are in memory";
  EXPECT_LT(most - before, std::uint64_t{25} << 20U);
  other.send("0\r\n\r\n");
  EXPECT_EQ(other.reply().body, std::to_string(15 << 20));
  one.close();
  EXPECT_TRUE(becomes_true([&] { return resident() < before + (std::uint64_t{2} << 20U); }));
}

TEST_F(ServerLimits, ALongHandlerReleasesItsBody) {
  start({.bodies_bytes = 150'000});
  Client first = client();
  first.send(request("POST", "/drop", "", std::string(100'000, 'x')));
  ASSERT_TRUE(becomes_true([&] { return seen_->calls == 1; }));
  EXPECT_EQ(server_->counts().bodies_bytes, 0U);
  EXPECT_EQ(ask(request("POST", "/echo", "", std::string(80'000, 'x'))).status, 200);
  seen_->may_end = true;
  EXPECT_EQ(first.reply().body, "\"dropped\"");
  EXPECT_EQ(server_->counts().bodies_bytes, 0U);
}

TEST_F(ServerLimits, HandlersBookMemoryFromTheBodiesPool) {
  start({.bodies_bytes = 150'000, .idle_time = 1s});
  Client upload = client();
  upload.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx");
  ASSERT_TRUE(becomes_true([&] { return server_->counts().bodies_bytes == 100'000; }));
  Client first = client();
  first.send(request("GET", "/book/80000"));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(seen_->calls, 0) << "it waits";
  upload.close();
  ASSERT_TRUE(becomes_true([&] { return seen_->calls == 1; }));
  EXPECT_EQ(server_->counts().bodies_bytes, 80'000U);
  EXPECT_EQ(ask(request("POST", "/echo", "", std::string(80'000, 'x'))).status, 503);
  EXPECT_EQ(error_in(ask(request("GET", "/book/80000"))),
            "busy: cannot do this now: it needs 80000 bytes of the 150000 that all requests "
            "share; try again in a moment");
  seen_->may_end = true;
  EXPECT_EQ(first.reply().body, "\"booked\"");
  EXPECT_EQ(server_->counts().bodies_bytes, 0U);
  EXPECT_EQ(ask(request("GET", "/book/1000000")).status, 200) << "at most the whole pool";
}

/// A plan takes the whole pool: a photo that arrives meanwhile must not be refused.
TEST_F(ServerLimits, ALargeBodyWaitsForAHandlersMemory) {
  start({.bodies_bytes = 300'000, .start_time = 200ms});
  Client planning = client();
  planning.send(request("GET", "/book/300000"));
  ASSERT_TRUE(becomes_true([&] { return seen_->calls == 1; }));
  const auto answer = [this](const std::string& text) {
    return std::async(std::launch::async, [this, text] { return ask(text).body; });
  };
  const std::string body(70'000, 'x');
  auto whole = answer(request("POST", "/store", "", body));
  auto chunked = answer(
      "POST /store HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n" +
      body + "\r\n0\r\n\r\n");
  EXPECT_EQ(whole.wait_for(500ms), std::future_status::timeout);
  EXPECT_EQ(chunked.wait_for(500ms), std::future_status::timeout);
  EXPECT_EQ(ask(request("POST", "/store", "", std::string(60'000, 'x'))).body, "60000");
  seen_->may_end = true;
  EXPECT_EQ(planning.reply().body, "\"booked\"");
  EXPECT_EQ(whole.get(), "70000");
  EXPECT_EQ(chunked.get(), "70000");
  EXPECT_TRUE(becomes_true([&] { return server_->counts().bodies_bytes == 0; }));
}

TEST_F(ServerLimits, SlowRequestsAreEnded) {
  start({.head_time = 300ms, .start_time = 300ms, .least_rate = 1'000'000, .idle_time = 1s});
  // Each sends its beginning and then single bytes.
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

TEST_F(ServerLimits, IdleConnectionsAreEnded) {
  start({.idle_time = 1s});
  Client one = client();
  EXPECT_EQ(one.ask(request("GET", "/api/info")).status, 200);
  const auto begin = Clock::now();
  EXPECT_TRUE(one.is_closed_within(4000));
  EXPECT_GT(seconds_since(begin), 0.8);
  EXPECT_EQ(one.received(), "") << "quietly";
}

TEST_F(ServerLimits, HandlersHaveNoTimeLimit) {
  start({.head_time = 200ms, .start_time = 200ms, .idle_time = 1s});
  Client one = client();
  one.send(request("GET", "/wait"));
  std::this_thread::sleep_for(1500ms);
  seen_->may_end = true;
  EXPECT_EQ(one.reply().body, "\"waited\"");
  EXPECT_EQ(one.ask(request("GET", "/api/info")).status, 200);
}

TEST_F(ServerLimits, AClientThatStopsReadingIsDisconnected) {
  start({.idle_time = 1s});
  Client one = client(4096);
  one.send(request("GET", "/flood"));
  EXPECT_TRUE(becomes_true([&] { return seen_->streams == 1; }));
  const auto begin = Clock::now();
  EXPECT_TRUE(becomes_true([&] { return seen_->streams == 0; }));
  EXPECT_LT(seconds_since(begin), 4.0);
  EXPECT_TRUE(becomes_true([&] { return server_->counts().connections == 0; }));
}

TEST_F(ServerLimits, ConnectionsHaveALimit) {
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

TEST_F(ServerLimits, ConnectionsPerAddressHaveALimit) {
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

TEST_F(ServerLimits, IdleConnectionsTakeLittleMemory) {
  if (semblance::testing::kSanitized) GTEST_SKIP() << "sanitizers use extra memory";
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
  EXPECT_LT(open, idle + (std::uint64_t{8} << 20U));
  EXPECT_LT(after, idle + (std::uint64_t{4} << 20U));
}

}  // namespace
}  // namespace semblance::service
