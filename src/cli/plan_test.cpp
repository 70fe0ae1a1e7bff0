// `semblance plan`, and `semblance generate` with a budget, as a user runs them.
#include <nlohmann/json.hpp>
#include <set>

#include "cli/program_test.h"

namespace semblance::cli {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

class Plan : public ProgramTest {
 protected:
  Plan() {
    unsetenv("LC_ALL");
    unsetenv("LC_MESSAGES");
    unsetenv("LANG");
  }
  /// The arguments of generate(), for plan.
  std::vector<std::string> plan(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = generate(more);
    words[0] = "plan";
    return words;
  }
  nlohmann::json json_of(std::vector<std::string> words) {
    words.emplace_back("--json");
    return nlohmann::json::parse(run(words).exits(0).out());
  }
  static std::string mib(std::uint64_t bytes) { return std::to_string(bytes / kMiB) + "MiB"; }
};

TEST_F(Plan, ShowsStagesAndTotals) {
  run(plan({"--memory", "1GiB"}))
      .exits(0)
      .prints("stage")
      .prints("text encoder 1")
      .prints("text encoder 2")
      .prints("face resampler x 2")
      .prints("keypoint features")
      .prints("denoiser x 2")
      .prints("decoder")
      .prints("writing the picture")
      .prints("total")
      .prints("Mode: ultra-conservative, budget 1024 MiB\nPredicted peak: ")
      .prints("Predicted time: ")
      .prints("Smallest budget for this request: ")
      .prints("Largest picture for this budget: ");
  EXPECT_EQ(files(), std::set<std::string>{});
}

TEST_F(Plan, UsesTheModelsGuidanceAsGenerateDoes) {
  const fs::path base = folder() / "base";
  fs::copy(golden() / "checkpoint/base", base, fs::copy_options::recursive);
  write_bytes(base / "generation_config.json", R"({"guidance_scale": 1})");
  const std::vector<std::string> own{"--base", base.string(), "--memory", "1GiB"};
  const auto with = [&](std::string guidance) {
    std::vector<std::string> words = own;
    words.insert(words.end(), {"--guidance", std::move(guidance)});
    return words;
  };
  const auto both_halves = [&](const auto& flags) {
    return run(plan(flags)).exits(0).out().find("face resampler x 2") != std::string::npos;
  };
  EXPECT_FALSE(both_halves(own));
  EXPECT_FALSE(both_halves(with("1")));
  EXPECT_TRUE(both_halves(with("5")));
  run(generate(own)).exits(0);
  const std::string made = bytes_of(file("out.png"));
  run(generate(with("1"))).exits(0);
  EXPECT_EQ(bytes_of(file("out.png")), made);
}

TEST_F(Plan, SpeaksSpanish) {
  run(plan({"--lang", "es", "--memory", "1GiB"}))
      .exits(0)
      .prints("etapa")
      .prints("codificador de texto 1")
      .prints("limitado por")
      .prints("Modo: ultra-conservador, presupuesto 1024 MiB\nPico previsto: ")
      .prints("Tiempo previsto: ")
      .prints("Presupuesto mínimo para esta petición: ")
      .prints("Imagen más grande para este presupuesto: ");
  setenv("LC_ALL", "es_ES.UTF-8", 1);
  run(generate({"--memory", "5MiB"})).exits(6).says("no cabe: 64x48 necesita al menos ");
  run(generate({"--memory", "1GiB"}))
      .exits(0)
      .says("Modo: ultra-conservador")
      .says("Pico previsto: ")
      .says("Medido: pico ");
  unsetenv("LC_ALL");
}

TEST_F(Plan, JsonHasAllFigures) {
  const auto json = json_of(plan({"--memory", "1GiB", "--lang", "es"}));
  EXPECT_EQ(json.at("fits"), true);
  EXPECT_EQ(json.at("mode"), "ultra-conservative");
  EXPECT_EQ(json.at("size"), nlohmann::json({64, 48}));
  EXPECT_EQ(json.at("budget_bytes"), 1024 * kMiB);
  EXPECT_GT(json.at("seconds").get<double>(), 0.0);
  EXPECT_EQ(json.at("scratch_bytes"), 0);
  EXPECT_TRUE(json.at("assumed").empty());
  std::uint64_t peak = 0;
  for (const auto& stage : json.at("stages"))
    peak = std::max(peak, stage.at("peak_bytes").get<std::uint64_t>());
  EXPECT_EQ(json.at("peak_bytes"), peak);
  EXPECT_LE(json.at("minimum_bytes").get<std::uint64_t>(), (peak + kMiB - 1) / kMiB * kMiB);
  EXPECT_EQ(json.at("stages").at(0).at("name"), "text encoder 1");
  const auto small = json_of(plan({"--memory", "5MiB"}));
  EXPECT_EQ(small.at("fits"), false);
  EXPECT_EQ(small.at("mode"), "insufficient");
}

TEST_F(Plan, ExplainsAStage) {
  run(plan({"--memory", "1GiB", "--explain", "denoiser"}))
      .exits(0)
      .prints("\n\ndenoiser\nKernels (nodes, predicted seconds of a run)\n")
      .prints("conv2d by onednn_conv2d: ")
      .prints(" stay in memory, ")
      .prints("\nKept results\n")
      .prints("\n  regroup: ");
  run(plan({"--memory", "1GiB", "--explain", "picture"}))
      .exits(0)
      .prints("picture\nno network runs");
  run(plan({"--explain", "unet"}))
      .exits(2)
      .says("cannot take --explain: expected one of photo, detector, ");
  run(plan({"--explain", "decoder", "--json"}))
      .exits(2)
      .says("--explain cannot be used with --json");
}

TEST_F(Plan, PrintsItsAssumptions) {
  const auto json = json_of({"plan", "--size", "128x64", "--memory", "2GiB"});
  EXPECT_EQ(json.at("assumed"), nlohmann::json({"--base", "--identitynet", "--adapter"}));
  EXPECT_EQ(json.at("fits"), true);
  // Weights of SDXL and IdentityNet in fp16, without the adapter's and those that stay resident.
  std::uint64_t bytes = 0;
  for (const auto& stage : json.at("stages")) {
    bytes += stage.at("streamed_bytes").get<std::uint64_t>();
    if (stage.at("name") == "denoiser") {
      bytes += stage.at("resident_bytes").get<std::uint64_t>() / 2;
    }
  }
  EXPECT_GT(bytes, std::uint64_t{6} << 30U);
  run({"plan", "--size", "64x64", "--base", file("none"), "--memory", "40MiB"})
      .exits(0)
      .prints(file("none") +
              " is missing; assuming the published sizes (SDXL 1.0, InstantID) in fp16\n")
      .prints("--adapter is missing");
  // Configs without weights: sizes from the configs, in fp16.
  const fs::path base = file("base");
  fs::copy(golden() / "checkpoint" / "base", base, fs::copy_options::recursive);
  for (const auto& entry : fs::recursive_directory_iterator(base)) {
    if (entry.path().extension() == ".safetensors") fs::remove(entry.path());
  }
  std::vector<std::string> words = plan({"--memory", "1GiB"});
  const auto with_weights = json_of(words);
  words[2] = base.string();
  const auto without = json_of(words);
  EXPECT_GT(without.at("assumed").size(), 3U);
  EXPECT_EQ(without.at("stages").at(0).at("streamed_bytes"),
            with_weights.at("stages").at(0).at("streamed_bytes"));
}

TEST_F(Plan, TheNamedMinimumWorksAndLessDoesNot) {
  const auto json = json_of(plan({"--memory", "1GiB"}));
  const auto minimum = json.at("minimum_bytes").get<std::uint64_t>();
  EXPECT_EQ(minimum % kMiB, 0U);
  const Outcome refused = run(generate({"--memory", mib(minimum / 2)})).exits(6);
  refused.says("semblance: cannot fit: 64x48 needs at least ").says("the budget is ").says("try ");
  EXPECT_EQ(files(), std::set<std::string>{});
  // The minimum that the refusal names.
  const std::string& text = refused.err();
  const std::size_t at = text.find("at least ") + 9;
  const auto named = std::stoull(text.substr(at));
  run(generate({"--memory", std::to_string(named) + "MiB"})).exits(0).says("Measured: peak ");
  run(generate({"--memory", std::to_string(named - 2) + "MiB"})).exits(6).says("cannot fit");
}

TEST_F(Plan, EveryBudgetGivesTheSamePicture) {
  const std::vector<std::string> sized{"--size", "128x128", "--no-metadata"};
  std::vector<std::string> words = generate(sized);
  run(words).exits(0);
  const std::string picture = bytes_of(file("out.png"));
  const auto minimum = json_of(plan(sized)).at("minimum_bytes").get<std::uint64_t>() / kMiB;
  for (const std::uint64_t budget : {minimum + 2, minimum + 12, std::uint64_t{2048}}) {
    words = generate(sized);
    words.insert(words.end(), {"--memory", std::to_string(budget) + "MiB"});
    run(words).exits(0);
    EXPECT_EQ(bytes_of(file("out.png")), picture) << budget;
  }
}

TEST_F(Plan, RefusesInvalidAmountsAndScratchFolders) {
  for (const std::string amount : {"0", "-1", "5 bananas", "200%"}) {
    for (const auto& words : {plan({"--memory", amount}), generate({"--memory", amount})})
      run(words).exits(2).says("--memory: ").says(", got '" + amount + "'\n").prints_nothing();
  }
  run(plan({"--lang", "fr"}))
      .exits(2)
      .says("--lang: expected en (English) or es (Spanish), got 'fr'");
  run(plan({"--size", "63x64"})).exits(2).says("multiple of 8");
  run(generate({"--scratch", file("none")})).exits(3).says(file("none"));
  run(plan({"--scratch", "/proc"})).says("/proc");
  run(plan({"--help"})).exits(0).prints("--memory AMOUNT").prints("--scratch DIR").prints("--json");
  EXPECT_EQ(files(), std::set<std::string>{});
}

TEST_F(Plan, WarnsOfABudgetAboveAvailableMemory) {
  run(generate({"--memory", "9000TiB"}))
      .exits(0)
      .says("warning: the budget of ")
      .says("the system may kill the program");
}

TEST_F(Plan, WritesATimeline) {
  // Long enough for several memory samples.
  run(generate({"--trace", file("run.json"), "--size", "256x256", "--steps", "4"})).exits(0);
  const auto trace = nlohmann::json::parse(bytes_of(file("run.json")));
  std::set<std::string> counters;
  bool kernel = false;
  for (const auto& event : trace) {
    if (event.at("ph") == "C") counters.insert(event.at("name"));
    kernel = kernel || (event.at("ph") == "X" && event.at("name") == "onednn_conv2d");
  }
  for (const char* name : {"resident", "activations", "result"})
    EXPECT_TRUE(counters.contains(name)) << name;
  EXPECT_TRUE(kernel);
  run(generate({"--trace", file("none/run.json")})).exits(3).says("none/run.json");
}

}  // namespace
}  // namespace semblance::cli
