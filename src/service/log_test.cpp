#include "service/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace semblance::service {
namespace {

class LogTest : public ::testing::Test {
 protected:
  LogTest() {
    EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0);
    before_ = ::signal(SIGPIPE, SIG_IGN);
  }
  ~LogTest() override {
    for (const int end : ends_) ::close(end);
    ::signal(SIGPIPE, before_);
  }
  int writing() const { return ends_[1]; }
  /// Everything written so far.
  std::string read() const {
    std::string text(std::size_t{1} << 20, '\0');
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    const ssize_t bytes = ::read(ends_[0], text.data(), text.size());
    text.resize(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
    return text;
  }
  void close_reading() { ::close(std::exchange(ends_[0], -1)); }

 private:
  std::array<int, 2> ends_{-1, -1};
  void (*before_)(int) = nullptr;
};

TEST_F(LogTest, ALineHasTimeWhatWhereAndWhy) {
  Log log(writing());
  log.line(LogLevel::kError, "failed job", {{"job", "0123"}}, "memory: it did not fit");
  const std::string text = read();
  ASSERT_EQ(text.size(), std::string("2026-01-31T12:00:00.123Z").size() + 42) << text;
  EXPECT_EQ(text[10], 'T');
  EXPECT_EQ(text.substr(23), "Z failed job: 0123: memory: it did not fit\n");
}

TEST_F(LogTest, AnyTextBecomesOnePrintableLine) {
  Log log(writing());
  log.line(LogLevel::kError, "failed request", {{"path", "1.2.3.4 GET /\x1b[2J\r\n2026 forged"}},
           std::string("a\0b\x7f\xff", 5));
  const std::string text = read();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_NE(text.find(": 1.2.3.4 GET /\\u{1b}[2J 2026 forged: a\\u{0}b\\u{7f}\xef\xbf\xbd\n"),
            std::string::npos)
      << text;
  log.line(LogLevel::kError, "x", {{"a", std::string(10'000, 'a')}},
           std::string(10'000, '\n') + "\u202e\u00e9");
  const std::string cut = read();
  EXPECT_LT(cut.size(), 512U);
  EXPECT_EQ(std::count(cut.begin(), cut.end(), '\n'), 1) << cut;
  EXPECT_EQ(printable("\u202e\u00e9", 100), "\\u{202e}\u00e9");
  EXPECT_EQ(printable("aaaaaaaaaa", 10), "aaaaaaa...");
}

TEST_F(LogTest, FactsAreNamedAndCannotBeForged) {
  Log log(writing());
  log.line(LogLevel::kError, "job", {{"job", "0123"}, {"state", "done"}}, "",
           {{"seconds", 1.23456}, {"steps", 30}, {"prompt", "a \"man\" steps=1"}, {"none", ""}});
  EXPECT_EQ(read().substr(23),
            "Z job: 0123 done seconds=1.235 steps=30 prompt=\"a \\\"man\\\" steps=1\" none=\"\"\n");
  EXPECT_EQ(printable_path("/a 200 bytes=1\n/b"), "/a%20200%20bytes=1%20/b");
}

TEST_F(LogTest, JsonHasTheSameAndFitsInAPipe) {
  Log log(writing(), {.is_json = true});
  log.line(LogLevel::kError, "failed request",
           {{"path", "/\x1b\"\\\r\n\xff"}, {"status", 500}, {"ms", 0.12349}}, "why");
  const std::string text = read();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  auto line = nlohmann::json::parse(text);
  EXPECT_EQ(line["time"].get<std::string>().size(), std::string("2026-01-31T12:00:00.123Z").size());
  line.erase("time");
  EXPECT_EQ(line, nlohmann::json({{"level", "error"},
                                  {"event", "failed request"},
                                  {"path", "/\\u{1b}\"\\ \xef\xbf\xbd"},
                                  {"status", 500},
                                  {"ms", 0.123},
                                  {"message", "why"}}));
  const std::string most(10'000, '"');
  log.line(LogLevel::kError, most, {{"a", most}, {"b", most}, {"c", most}, {"d", most}}, most,
           {{"prompt", most}});
  const std::string longest = read();
  EXPECT_LE(longest.size(), std::size_t{PIPE_BUF});
  EXPECT_FALSE(nlohmann::json::parse(longest, nullptr, false).is_discarded()) << longest;
}

TEST_F(LogTest, TheLevelDecidesWhatIsWritten) {
  for (int most = 0; most < 4; ++most) {
    Log log(writing(), {.level = static_cast<LogLevel>(most)});
    for (int level = 0; level < 4; ++level)
      log.line(static_cast<LogLevel>(level), "x", {{"level", kLogLevels[level]}}, "");
    const std::string text = read();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), most + 1) << text;
    EXPECT_NE(text.find(kLogLevels[most]), std::string::npos) << text;
    EXPECT_EQ(log.dropped(), 0U);
  }
}

TEST_F(LogTest, AFullPipeDoesNotBlock) {
  Log log(writing());
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 10'000; ++i) log.line(LogLevel::kError, "x", {{"y", "y"}}, "z");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  EXPECT_GT(log.dropped(), 0U);
  const std::uint64_t dropped = log.dropped();
  while (!read().empty()) continue;
  log.line(LogLevel::kError, "x", {{"y", "y"}}, "the next");
  EXPECT_NE(read().find("the next (" + std::to_string(dropped) + " earlier lines were dropped)\n"),
            std::string::npos);
  EXPECT_EQ(log.dropped(), 0U);
}

TEST_F(LogTest, AClosedPipeDoesNotBlock) {
  Log log(writing());
  close_reading();
  ::signal(SIGPIPE, SIG_DFL);  // a SIGPIPE would end the test
  log.line(LogLevel::kError, "x", {{"y", "y"}}, "z");
  EXPECT_EQ(log.dropped(), 1U);
  Log closed(-1);
  closed.line(LogLevel::kError, "x", {{"y", "y"}}, "z");
  EXPECT_EQ(closed.dropped(), 1U);
}

TEST(LogSocket, IsWrittenToWithoutWaiting) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  Log log(ends[1]);
  for (int i = 0; i < 10'000 && log.dropped() == 0; ++i)
    log.line(LogLevel::kError, "x", {{"y", "y"}}, "z");
  EXPECT_GT(log.dropped(), 0U);
  ::close(ends[0]);
  log.line(LogLevel::kError, "x", {{"y", "y"}}, "z");
  EXPECT_EQ(log.dropped(), 2U);
  ::close(ends[1]);
}

}  // namespace
}  // namespace semblance::service
