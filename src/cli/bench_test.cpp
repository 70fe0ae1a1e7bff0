// semblance bench, on the demo model's sizes.
#include <nlohmann/json.hpp>

#include "cli/program_test.h"

namespace semblance::cli {
namespace {

class Bench : public ProgramTest {};

TEST_F(Bench, MeasuresStepsInAnyMemoryAndTheDecoder) {
  const nlohmann::json report = nlohmann::json::parse(
      run({"bench", "--small", "--size", "128x128", "--memory", "auto", "--memory", "8MiB",
           "--memory", "1MiB", "--threads", "2", "--json"})
          .exits(0)
          .out());
  EXPECT_EQ(report.at("width"), 128);
  EXPECT_FALSE(report.at("processor").get<std::string>().empty());
  std::vector<nlohmann::json> steps;
  std::vector<std::string> parts;
  for (const nlohmann::json& result : report.at("results")) {
    parts.push_back(result.at("part"));
    if (result.at("part") == "step") steps.push_back(result);
  }
  EXPECT_EQ(parts, (std::vector<std::string>{"rates", "step", "step", "step", "step", "decode"}));
  ASSERT_EQ(steps.size(), 4U);
  EXPECT_EQ(steps[0].at("streamed_bytes"), 0);
  EXPECT_GT(steps[0].at("seconds"), 0);
  EXPECT_GT(steps[0].at("predicted_seconds"), 0);
  EXPECT_GT(steps[1].at("streamed_bytes"), 0);
  EXPECT_LE(steps[1].at("memory_bytes"), 8 << 20);
  EXPECT_EQ(steps[2].at("fits"), false);
  EXPECT_EQ(steps[3].at("threads"), 1);
  EXPECT_GT(report.at("results").back().at("seconds"), 0);
}

TEST_F(Bench, TellsPeople) {
  run({"bench", "--small", "--size", "64x64", "--memory", "50%", "--threads", "1", "-q"})
      .exits(0)
      .prints("64 x 64 in ")
      .prints("Kernels: linear layers ")
      .prints(", 1 threads: ")
      .prints("Decoding, 1 threads: ");
  run({"bench", "--help"}).exits(0).prints("semblance bench --size 1024x1024");
}

TEST_F(Bench, RefusesWhatItCannotMeasure) {
  run({"bench", "--size", "512x511"})
      .exits(2)
      .says(
          "cannot take --size: expected WxH in pixels, both multiples of 8 up to 8192, got "
          "'512x511'");
  run({"bench", "--memory", "2"}).exits(2).says("--memory: expected a unit after the number");
  run({"bench", "--threads", "0"}).exits(2).says("expected a whole number from 1 to 1024");
}

}  // namespace
}  // namespace semblance::cli
