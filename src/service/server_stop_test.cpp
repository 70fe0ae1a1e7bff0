#include "service/server_test.h"

namespace semblance::service {
namespace {

using namespace std::chrono_literals;
using namespace testing;

class ServerStop : public ServerTest {};

TEST_F(ServerStop, StopsWithOpenStreams) {
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
  EXPECT_TRUE(clients[0].reply().is_whole) << "the event stream ends properly";
  EXPECT_FALSE(Client(port).is_connected());
  server_->stop(500ms);
}

TEST_F(ServerStop, StopsAtOnceWhenIdle) {
  start();
  Client one = client();
  EXPECT_EQ(one.ask(request("GET", "/api/info")).status, 200);
  Client silent = client();
  ASSERT_TRUE(becomes_true([&] { return server_->counts().connections == 2; }));
  const auto begin = Clock::now();
  server_->stop(10s);
  EXPECT_LT(seconds_since(begin), 1.0);
}

TEST_F(ServerStop, LetsHandlersFinishWithinTheGracePeriod) {
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

TEST_F(ServerStop, TellsHandlersWhenTheGracePeriodIsOver) {
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

TEST_F(ServerStop, RefusesRequestsWhileItStops) {
  start();
  Client one = client();
  one.send(request("GET", "/wait"));
  Client late = client();
  late.send("GET /api/info HTTP/1.1\r\nHost: localhost\r\n");
  ASSERT_TRUE(
      becomes_true([&] { return seen_->calls == 1 && server_->counts().connections == 2; }));
  std::this_thread::sleep_for(100ms);  // until its first lines are read
  std::jthread stopper([&] { server_->stop(3s); });
  std::this_thread::sleep_for(100ms);
  late.send("\r\n");
  Reply reply = late.reply();
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.headers["retry-after"], "5");
  EXPECT_EQ(error_in(reply),
            "shutting_down: cannot take the request: the service is shutting down");
  seen_->may_end = true;
}

}  // namespace
}  // namespace semblance::service
