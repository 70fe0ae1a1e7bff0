#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "memory/meter.h"
#include "service/base64.h"
#include "service/server_test.h"
#include "tests/support/sanitized.h"

namespace semblance::service {
namespace {

using namespace std::chrono_literals;
using namespace testing;
namespace fs = std::filesystem;

constexpr std::size_t kPictureBytes = 9'000'000;

/// Responses from files, and clients that do not read them.
class Responses : public ServerTest {
 protected:
  Responses() {
    seen_->file = fs::temp_directory_path() / ("semblance_response_" + std::to_string(getpid()));
  }
  ~Responses() override {
    server_.reset();
    fs::remove(seen_->file);
  }
  void write(const std::string& bytes) const {
    std::ofstream(seen_->file, std::ios::binary | std::ios::trunc) << bytes;
  }
  /// A client with a small buffer that has received the start of its response.
  Client stuck(const std::string& target) {
    Client one = client(4096);
    one.send(request("GET", target));
    EXPECT_TRUE(one.receive());
    return one;
  }
};

TEST_F(Responses, FromFilesAreComplete) {
  start();
  Client one = client();
  for (const std::size_t size : {0, 1, 2, 3, 4, 5, 6, 7, 6143, 6144, 16'384, 1'000'003}) {
    const std::string bytes = numbered(size);
    write(bytes);
    EXPECT_EQ(one.ask(request("GET", "/file")).body, bytes) << size;
    const Reply reply = one.ask(request("GET", "/base64"));
    EXPECT_EQ(reply.body, "[\"" + base64(bytes) + "\"]") << size;
    EXPECT_EQ(reply.headers.at("content-length"), std::to_string(reply.body.size()));
  }
  EXPECT_EQ(one.ask("HEAD /file HTTP/1.1\r\nHost: localhost\r\n\r\n").headers["content-length"],
            "1000003");
  EXPECT_EQ(one.ask(request("GET", "/api/info")).status, 200);
}

TEST_F(Responses, StayCompleteIfTheFileIsReplacedOrRemoved) {
  start();
  const std::string bytes = numbered(kPictureBytes);
  write(bytes);
  Client replaced = stuck("/file"), removed = stuck("/base64");
  const fs::path other = seen_->file.string() + ".new";
  std::ofstream(other) << "another";
  fs::rename(other, seen_->file);
  fs::remove(seen_->file);
  EXPECT_EQ(replaced.reply().body, bytes);
  EXPECT_EQ(removed.reply().body, "[\"" + base64(bytes) + "\"]");
  EXPECT_EQ(ask(request("GET", "/file")).status, 404);
}

TEST_F(Responses, AreCutOffIfTheFileIsTruncated) {
  start();
  write(numbered(kPictureBytes));
  Client one = stuck("/file");
  fs::resize_file(seen_->file, 1'000'000);
  const Reply reply = one.reply();
  EXPECT_EQ(reply.status, 200);
  EXPECT_FALSE(reply.is_whole);
}

TEST_F(Responses, ThatNobodyReadsTakeLittleMemory) {
  if (semblance::testing::kSanitized) GTEST_SKIP() << "sanitizers use extra memory";
  constexpr unsigned kClients = 256;
  start({.connections = kClients, .connections_by_address = kClients});
  write(numbered(kPictureBytes));
  ask(request("GET", "/file"));
  ASSERT_TRUE(becomes_true([&] { return server_->counts().connections == 0; }));
  const auto resident = [] { return Meter().process().resident_bytes; };
  const std::uint64_t before = resident();
  std::uint64_t most = before;
  std::vector<Client> clients;
  for (unsigned i = 0; i < kClients; ++i) {
    clients.push_back(client());
    clients.back().send(request("GET", i % 2 == 0 ? "/file" : "/base64"));
    most = std::max(most, resident());
  }
  EXPECT_TRUE(becomes_true([&] { return server_->counts().handling == kClients; }));
  std::this_thread::sleep_for(200ms);
  most = std::max(most, resident());
  EXPECT_LT(most - before, std::uint64_t{16} << 20U);
  RecordProperty("kib_a_connection", static_cast<int>((most - before) / 1024 / kClients));
}

TEST_F(Responses, WithLongTextsAreBooked) {
  start({.bodies_bytes = 1'000'000});
  Client one = stuck("/big/900000");
  EXPECT_GE(server_->counts().bodies_bytes, 900'000U);
  Reply busy = ask(request("GET", "/big/900000"));
  EXPECT_EQ(busy.status, 503);
  EXPECT_EQ(busy.headers["retry-after"], "2");
  EXPECT_EQ(
      error_in(busy),
      "busy: cannot answer now: there is no room for a response of 900000 bytes; try again in "
      "a moment");
  EXPECT_EQ(ask(request("GET", "/big/5000")).body.size(), 5000U);
  EXPECT_EQ(one.reply().body, numbered(900'000));
  EXPECT_TRUE(becomes_true([&] { return server_->counts().bodies_bytes == 0; }));
  EXPECT_EQ(ask(request("GET", "/big/900000")).status, 200);
}

TEST_F(Responses, ToSlowReadersEndUnderPressure) {
  start({.connections = 8, .start_time = 300ms, .least_rate = 1'000'000});
  write(numbered(kPictureBytes));
  Client slow = stuck("/file"), deaf = stuck("/flood"), live = client();
  live.send(request("GET", "/events"));
  std::this_thread::sleep_for(1s);
  EXPECT_EQ(server_->counts().handling, 3U) << "no pressure yet";
  std::vector<Client> others;
  for (int i = 0; i < 5; ++i) {
    others.push_back(client());
    others.back().send(request("GET", "/wait"));
  }
  ASSERT_TRUE(becomes_true([&] { return seen_->calls == 5; }));
  const auto end = Clock::now() + 10s;
  while (server_->counts().handling > 6 && Clock::now() < end) {
    live.receive(20);
    slow.receive(1);  // reads, but too slowly
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_EQ(server_->counts().handling, 6U);
  live.take();
  EXPECT_TRUE(live.receive()) << "event streams have no minimum rate";
  seen_->may_end = true;
}

TEST_F(Responses, AreRefusedWithoutAThread) {
  start({.stack_bytes = std::uint64_t{1} << 46U});
  for (int i = 0; i < 3; ++i) {
    Client one = client();
    const Reply reply = one.reply();
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(error_in(reply),
              "busy: cannot answer now: no thread or memory is available; try again in a "
              "moment");
    EXPECT_TRUE(one.is_closed_within(1000));
  }
  EXPECT_TRUE(becomes_true([&] { return server_->counts().connections == 0; }));
  EXPECT_EQ(server_->counts().responses_5xx, 3U);
}

TEST_F(Responses, WaitForFreeDescriptors) {
  start();
  Client one = client();
  EXPECT_EQ(one.ask(request("GET", "/api/info")).status, 200);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  // The next connection takes the last free number.
  std::optional<Client> late(client());
  EXPECT_TRUE(becomes_true([&] { return server_->counts().connections == 2; }));
  late.reset();
  EXPECT_TRUE(becomes_true([&] { return server_->counts().connections == 1; }));
  const int next = ::dup(0);
  ::close(next);
  rlimit few = before;
  few.rlim_cur = static_cast<rlim_t>(next) + 1;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  late.emplace(client());
  late->send(request("GET", "/api/info"));
  EXPECT_FALSE(late->receive(300));
  EXPECT_EQ(one.ask(request("GET", "/api/info")).status, 200) << "existing connections still work";
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(late->reply().status, 200);
}

}  // namespace
}  // namespace semblance::service
