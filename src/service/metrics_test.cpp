#include "service/metrics.h"

#include <map>
#include <sstream>

#include "app/parameters.h"
#include "service/server_test.h"
#include "service/service_test.h"

namespace semblance::service {
namespace {

/// Each value by its name with labels. Fails the test where a line is not in the text format.
std::map<std::string, double> values_in(const std::string& text) {
  std::map<std::string, double> values;
  std::istringstream lines(text);
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) family = line.substr(7, line.find(' ', 7) - 7);
    if (line.starts_with('#')) continue;
    EXPECT_TRUE(line.starts_with(family)) << line << " is not in the family " << family;
    const std::size_t space = line.rfind(' ');
    const bool is_new = values.emplace(line.substr(0, space), std::stod(line.substr(space))).second;
    EXPECT_TRUE(is_new) << "twice: " << line;
  }
  EXPECT_TRUE(text.ends_with('\n'));
  return values;
}

TEST(Histogram, BucketsAddUp) {
  constexpr std::array<double, 3> kBounds{0.5, 1, 10};
  Histogram histogram(kBounds);
  for (const double seconds : {0.1, 0.5, 0.75, 2.0, 100.0}) histogram.add(seconds);
  EXPECT_EQ(histogram.text("x", "a=\"b\""),
            "x_bucket{a=\"b\",le=\"0.5\"} 2\n"
            "x_bucket{a=\"b\",le=\"1\"} 3\n"
            "x_bucket{a=\"b\",le=\"10\"} 4\n"
            "x_bucket{a=\"b\",le=\"+Inf\"} 5\n"
            "x_sum{a=\"b\"} 103.35\n"
            "x_count{a=\"b\"} 5\n");
}

class ServiceMetrics : public testing::ServiceTest {};

TEST_F(ServiceMetrics, CountEndedJobsAndTheirSeconds) {
  begin();
  const std::string photo = testing::photo();
  const std::string id = jobs().submit(request(photo)).id;
  ASSERT_TRUE(becomes(id, JobState::kDone));
  JobRequest wrong = request(photo);
  wrong.face = 7;
  ASSERT_TRUE(becomes(jobs().submit(wrong).id, JobState::kFailed));
  ASSERT_TRUE(becomes_true([&] { return jobs().counts().failed == 1; }));
  const Router::Match match = router().find("GET", "/metrics");
  const auto values = values_in(match.route->handler({}, {}).body.whole());
  EXPECT_EQ(values.at("semblance_jobs_total{state=\"done\"}"), 1);
  EXPECT_EQ(values.at("semblance_job_seconds_count{state=\"done\"}"), 1);
  EXPECT_EQ(values.at("semblance_job_seconds_count{state=\"failed\"}"), 1);
  EXPECT_GT(values.at("semblance_job_seconds_sum{state=\"done\"}"), 0);
  EXPECT_EQ(values.at("semblance_steps_total"), 2);
  EXPECT_EQ(values.at(fmt::format("semblance_build_info{{version=\"{}\"}}", program_version())), 1);
}

using HttpMetrics = testing::ServerTest;

TEST_F(HttpMetrics, RequestsAreTimedByRouteWhateverIsAsked) {
  const auto stats = std::make_shared<HttpStats>();
  server_ = std::make_unique<HttpServer>(Listen{"127.0.0.1", 0}, AccessOptions{},
                                         testing::routes(seen_), HttpLimits{}, stats);
  for (int i = 0; i < 50; ++i) {
    ask(testing::request("GET", "/big/" + std::to_string(i)));
    ask(testing::request("GET", "/unknown/" + std::to_string(i)));
    ask(testing::request("M" + std::to_string(i), "/big/1"));
  }
  const std::string big = "x_count{method=\"GET\",route=\"/big/{bytes}\"}";
  // A client has its response before the request is counted.
  ASSERT_TRUE(testing::becomes_true([&] {
    return stats->seconds_text("x").find("x_count{route=\"other\"} 100\n") != std::string::npos;
  }));
  EXPECT_NE(stats->seconds_text("x").find(big + " 50\n"), std::string::npos);
  EXPECT_EQ(stats->requests, 150U);
  EXPECT_EQ(stats->responses_4xx, 100U);
  int histograms = 0;
  std::istringstream lines(stats->seconds_text("x"));
  for (std::string line; std::getline(lines, line);) histograms += line.starts_with("x_count{");
  EXPECT_EQ(histograms, 2);
}

}  // namespace
}  // namespace semblance::service
