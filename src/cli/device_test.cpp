// Graphics cards as a user meets them: `semblance gpu`, --device, --gpu-memory. The drivers are
// those of tools/vulkan_run.
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "cli/program_test.h"
#include "cli/serve_test.h"
#include "image/decode.h"
#include "image/psnr.h"
#include "memory/file.h"
#include "tests/support/sanitized.h"

namespace semblance::cli {
namespace {

/// The default folder of tools/vulkan_root.sh, before the fixture changes XDG_CACHE_HOME.
const std::string kVulkanRoot = [] {
  const auto value = [](const char* name) {
    const char* const text = std::getenv(name);
    return std::string(text != nullptr ? text : "");
  };
  if (!value("SEMBLANCE_VULKAN_ROOT").empty()) return value("SEMBLANCE_VULKAN_ROOT");
  const std::string cache = value("XDG_CACHE_HOME");
  return (cache.empty() ? value("HOME") + "/.cache" : cache) + "/semblance-tests/vulkan";
}();

class DeviceProgram : public ProgramTest {
 protected:
  void SetUp() override {
    if (testing::kSanitized) GTEST_SKIP() << "sanitizers do not start under another libc";
    if (!fs::exists(kVulkanRoot + "/versions.txt"))
      GTEST_SKIP() << "no Vulkan for the tests: tools/vulkan_root.sh makes it";
    setenv("SEMBLANCE_VULKAN_ROOT", kVulkanRoot.c_str(), 1);
    unsetenv("LC_ALL");
    unsetenv("LC_MESSAGES");
    unsetenv("LANG");
  }
  Running start_on(const std::string& device, const std::vector<std::string>& words) const {
    std::vector<std::string> all{std::string(SEMBLANCE_SOURCE_DIR) + "/tools/vulkan_run", device,
                                 SEMBLANCE_PROGRAM};
    all.insert(all.end(), words.begin(), words.end());
    return {std::move(all), folder() / "logs"};
  }
  Running start_check(const std::string& device) const {
    return {{std::string(SEMBLANCE_SOURCE_DIR) + "/tools/device_check.sh", "--program",
             SEMBLANCE_PROGRAM, "--on", device, "--no-tests", file("report")},
            folder() / "logs"};
  }
  Outcome run_on(const std::string& device, const std::vector<std::string>& words) const {
    return start_on(device, words).end();
  }
};

TEST_F(DeviceProgram, ListsTheSoftwareDriver) {
  run_on("lavapipe", {"gpu"})
      .exits(0)
      .prints("0: llvmpipe")
      .prints("(software)\n  driver lavapipe Mesa ")
      .prints("a software driver: computes in f16, f32, only with --device gpu:lavapipe\n");
  run_on("lavapipe", {"gpu", "--lang", "es"}).exits(0).prints("un controlador de software");
  run_on("lavapipe", {"memory"}).exits(0).prints("GPU: none\n");
}

TEST_F(DeviceProgram, PrintsEverythingAsJson) {
  const auto json = nlohmann::json::parse(run_on("lavapipe", {"gpu", "--json"}).exits(0).out());
  ASSERT_EQ(json.at("cards").size(), 1U);
  const auto& card = json.at("cards")[0];
  EXPECT_EQ(card.at("usable"), true);
  EXPECT_EQ(card.at("default"), false);
  EXPECT_TRUE(card.at("why_not").is_null());
  EXPECT_GT(card.at("free_bytes").get<std::uint64_t>(), 0U);
  EXPECT_EQ(card.at("facts").at("driver"), "lavapipe");
  EXPECT_TRUE(json.at("why_none").is_null());
}

TEST_F(DeviceProgram, ListsCardsByTheirRealDrivers) {
  run_on("amd:navi31", {"gpu"})
      .exits(0)
      .prints("(discrete)\n  driver radv Mesa ")
      .prints("  usable");
  run_on("amd:navi31", {"memory"}).exits(0).prints("GPU: AMD ").prints(" in use\n");
  run_on("amd:navi31", {"memory", "--lang", "es"}).exits(0).prints(" en uso\n");
  const auto json =
      nlohmann::json::parse(run_on("amd:navi31", {"memory", "--json"}).exits(0).out());
  EXPECT_GT(json.at("gpu").at("total_bytes").get<std::uint64_t>(), std::uint64_t{1} << 30);
  run_on("nvk:164", {"gpu"}).exits(0).prints("driver NVK Mesa ").prints("  usable");
}

/// A report's lines.
std::vector<nlohmann::json> read_report(const std::string& path) {
  std::vector<nlohmann::json> lines;
  std::istringstream text(read_small_file(path, 1 << 20));
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

TEST_F(DeviceProgram, ChecksACard) {
  setenv("XDG_CACHE_HOME", file("cache").c_str(), 1);
  const std::vector<std::string> plan{"plan", "--size", "256x256", "--device", "gpu:lavapipe"};
  run_on("lavapipe", plan).exits(0).prints("llvmpipe").prints(" was not measured: ");
  start_check("lavapipe")
      .end()
      .exits(0)
      .prints("Copies: ")
      .prints("Picture in f16: ")
      .prints("Denoiser step in ")
      .prints("vulkan_linear in f32: ")
      .prints("GFLOP/s\n")
      .prints(" checks passed.\n");
  const std::string report = file("report") + "/report.jsonl";
  EXPECT_TRUE(nlohmann::json::parse(bytes_of(file("report") + "/facts.json")).contains("cards"));
  EXPECT_NE(bytes_of(file("report") + "/row.md").find("| lavapipe Mesa "), std::string::npos);
  EXPECT_NE(bytes_of(file("report") + "/row.md").find("| passed |"), std::string::npos);
  EXPECT_EQ(run_on("lavapipe", plan).exits(0).out().find("not measured"), std::string::npos);
  // Plans go by what was measured with this driver.
  const fs::path facts = file("cache") + "/semblance/machine.json";
  nlohmann::json newer = nlohmann::json::parse(bytes_of(facts));
  for (nlohmann::json& machine : newer.at("machines"))
    machine["driver"] = machine.at("driver").get<std::string>() + ".1";
  write_bytes(facts, newer.dump());
  run_on("lavapipe", plan).exits(0).prints(" was not measured: ");
  std::map<std::string, int> parts;
  std::set<std::string> kernels;
  const std::vector<nlohmann::json> lines = read_report(report);
  for (const nlohmann::json& line : lines) {
    if (line.at("kind") != "result") continue;
    EXPECT_EQ(line.at("ok"), true) << line;
    ++parts[line.at("part").get<std::string>()];
    if (line.at("part") == "agreement") {
      EXPECT_GT(line.at("cases"), 0) << line;
      kernels.insert(line.at("what").get<std::string>());
    }
    EXPECT_TRUE(line.at("part") != "layer" || line.at("gb_s") > 0) << line;
    EXPECT_TRUE(line.at("part") != "step" || line.at("budgets").size() == 3) << line;
  }
  EXPECT_EQ(lines.front().at("kind"), "begin");
  EXPECT_EQ(lines.front().at("card").at("driver"), "lavapipe");
  EXPECT_EQ(lines.back().at("kind"), "end");
  EXPECT_EQ(parts.at("memory"), 2);
  EXPECT_EQ(parts.at("copies"), 1);
  EXPECT_EQ(parts.at("rates"), 1);
  EXPECT_EQ(parts.at("picture"), 2);
  EXPECT_EQ(parts.at("step"), 1);
  EXPECT_GT(parts.at("layer"), 20);
  EXPECT_TRUE(kernels.contains("vulkan_matrix_attention in f16"));
}

TEST_F(DeviceProgram, ACheckThatIsStoppedLeavesWhatItKnows) {
  const std::string report = file("report.jsonl");
  Running running =
      start_on("lavapipe", {"gpu", "check", "--device", "gpu:lavapipe", "-o", report});
  ASSERT_TRUE(running.waits_for_file(report));
  running.signal(SIGINT);
  running.end().exits(130);
  for (const nlohmann::json& line : read_report(report)) EXPECT_NE(line.at("kind"), "end");
}

TEST_F(DeviceProgram, TheServiceShowsTheCardsMemory) {
  const Service service(start_on("lavapipe", {"serve", "--device", "gpu:lavapipe", "--listen",
                                              "127.0.0.1:0", "--data", file("data")}),
                        folder() / "logs/stdout.txt");
  const nlohmann::json gpu = service.get("/api/memory").at("gpu");
  EXPECT_TRUE(gpu.at("name").get<std::string>().starts_with("llvmpipe")) << gpu;
  EXPECT_GT(gpu.at("free_bytes"), 0);
  EXPECT_GE(gpu.at("total_bytes"), gpu.at("free_bytes"));
  const nlohmann::json cuda = service.get("/sdapi/v1/memory").at("cuda");
  EXPECT_EQ(cuda.at("system").at("total"), gpu.at("total_bytes"));
}

TEST_F(DeviceProgram, RefusesWrongChecks) {
  run({"gpu", "check", "--help"}).exits(0).prints("Usage: semblance gpu check");
  run({"gpu", "check", "--device", "cpu"}).exits(2).says("expected gpu, gpu:N or gpu:NAME");
  run_on("none", {"gpu", "check"}).exits(7).says("cannot use --device gpu: ");
  start_check("none").end().exits(1).says("failed: check: exit code 7");
  run_on("lavapipe", {"gpu", "check", "--device", "gpu:lavapipe", "-o", file("none/report.jsonl")})
      .exits(3)
      .says("none");
}

TEST_F(DeviceProgram, SaysWhyThereIsNoCard) {
  run_on("none", {"gpu"}).exits(0).prints("No graphics card: ").prints("driver");
  run_on("none", {"gpu", "--lang", "es"}).exits(0).prints("Ninguna tarjeta gráfica: ");
  run_on("none", generate({"--device", "gpu"}))
      .exits(7)
      .says("cannot use --device gpu: ")
      .says("use --device cpu");
  run_on("none", generate({"--device", "auto"})).exits(0);
}

TEST_F(DeviceProgram, RefusesWrongDevices) {
  run_on("lavapipe", generate({"--device", "gpu"}))
      .exits(7)
      .says("there is no usable card of that kind")
      .says("a software driver, only by name");
  run_on("lavapipe", generate({"--device", "gpu:7"})).exits(7).says("0: llvmpipe");
  run(generate({"--device", "cuda"})).exits(2).says("expected auto, cpu, gpu");
  run(generate({"--gpu-memory", "1GiB"})).exits(2).says("cannot be used with --device cpu");
  run(generate({"--device", "gpu", "--backend", "ref"})).exits(2).says("--backend cannot be used");
  run_on("lavapipe", generate({"--device", "gpu:lavapipe", "--gpu-memory", "900TiB"}))
      .exits(2)
      .says("cannot take --gpu-memory: llvmpipe")
      .says("got 943718400 MiB");
}

TEST_F(DeviceProgram, TheCardsPictureIsTheProcessors) {
  run(generate()).exits(0);
  const Image on_processor = decode(file("out.png"));
  for (const char* precision : {"f32", "auto"}) {
    run_on("lavapipe", generate({"--device", "gpu:lavapipe", "--precision", precision})).exits(0);
    const Image on_card = decode(file("out.png"));
    EXPECT_GE(psnr(on_card.pixels(), on_processor.pixels()), 40) << precision;
  }
  EXPECT_NE(bytes_of(file("out.png")).find("Backend: gpu:lavapipe"), std::string::npos);
}

TEST_F(DeviceProgram, ARunGoesOnOnTheProcessor) {
  fs::current_path(folder());
  run(generate({"--steps", "6"})).exits(0);
  const Image whole = decode(file("out.png"));
  fs::remove(file("out.png"));
  Running running = start_on("lavapipe", generate({"--steps", "6", "--device", "gpu:lavapipe",
                                                   "--save-state", file("state")}));
  ASSERT_TRUE(running.waits_for_file(file("state")));
  running.signal(SIGTERM);
  running.end().exits(130);
  run({"generate", "--resume", file("state"), "--device", "cpu"}).exits(0);
  EXPECT_GE(psnr(decode(file("out.png")).pixels(), whole.pixels()), 40);
  fs::current_path("/");
}

TEST_F(DeviceProgram, AutoTakesADiscreteCardOrAFasterIntegratedOne) {
  const std::vector<std::string> plan{"plan", "--size", "256x256", "--device", "auto", "--json"};
  const auto gpu = [&](const std::string& device) {
    return nlohmann::json::parse(run_on(device, plan).exits(0).out()).at("gpu");
  };
  EXPECT_FALSE(gpu("amd:navi31").is_null());
  // Drivers without a card take no time to compute.
  EXPECT_FALSE(gpu("amd:renoir").is_null());
  EXPECT_TRUE(gpu("lavapipe").is_null());
  EXPECT_TRUE(gpu("none").is_null());
}

TEST_F(DeviceProgram, PlansForACard) {
  const std::vector<std::string> plan{"plan", "--size", "256x256", "--device"};
  auto words = plan;
  words.push_back("gpu:lavapipe");
  run_on("lavapipe", words).exits(0).prints("Mode: ");
}

}  // namespace
}  // namespace semblance::cli
