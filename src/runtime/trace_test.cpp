#include "runtime/trace.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "memory/file.h"
#include "runtime/news_test.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

using nlohmann::json;

TEST(Trace, WritesChromesFormat) {
  Trace trace(10);
  const double begin = Trace::now();
  trace.add(TraceRow::kCompute, "onednn_\"conv2d\"\n", begin, begin + 0.5);
  trace.add(TraceRow::kReader, std::string(70, 'x') + ".weight", begin, begin + 0.25, 4096, 1);
  trace.count("resident", 123456789);
  const json events = json::parse(trace.to_json());
  std::vector<json> found;
  std::vector<std::string> rows;
  for (const json& event : events) {
    event["ph"] == "M" ? rows.push_back(event["args"]["name"]) : found.push_back(event);
  }
  EXPECT_EQ(rows, (std::vector<std::string>{"compute", "weight reader", "weight reader",
                                            "spill mover", "memory"}));
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0]["name"], "onednn_\"conv2d\"?");
  EXPECT_EQ(found[0]["ph"], "X");
  EXPECT_NEAR(found[0]["dur"].get<double>(), 5e5, 1.0);
  EXPECT_GE(found[0]["ts"].get<double>(), 0.0);
  EXPECT_EQ(found[1]["name"], std::string(57, 'x') + ".weight");
  EXPECT_EQ(found[1]["args"]["bytes"], 4096);
  EXPECT_NE(found[0]["tid"], found[1]["tid"]);
  EXPECT_EQ(found[2]["ph"], "C");
  EXPECT_EQ(found[2]["args"]["bytes"], 123456789);
}

TEST(Trace, CountsDroppedEvents) {
  Trace trace(100);
  const int before = testing::allocation_count();
  std::vector<std::jthread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&trace] {
      for (int j = 0; j < 50; ++j) trace.add(TraceRow::kReader, "read", 0, 1);
    });
  }
  threads.clear();
  EXPECT_LE(testing::allocation_count() - before, 9);  // for starting the threads
  EXPECT_EQ(trace.dropped(), 100U);
  const std::string text = trace.to_json();
  EXPECT_NE(text.find("100 events did not fit"), std::string::npos);
  EXPECT_EQ(json::parse(text).size(), 4U + 100U + 1U);
}

TEST(Trace, WritesTheWholeFileOrNothing) {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("trace_{}.json", getpid());
  const Trace trace(1);
  trace.write(path);
  EXPECT_EQ(json::parse(read_small_file(path, 1 << 20)).size(), 4U);
  std::filesystem::remove(path);
  testing::expect_error(ErrorKind::kMissing, "there is no folder",
                        [&] { trace.write(path / "none" / "trace.json"); });
}

}  // namespace
}  // namespace semblance
