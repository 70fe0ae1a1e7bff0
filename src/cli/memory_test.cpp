// `semblance memory` as a user runs it.
#include <nlohmann/json.hpp>

#include "cli/program_test.h"
#include "memory/meter.h"
#include "tests/support/control_group.h"
#include "tests/support/sanitized.h"

namespace semblance::cli {
namespace {

class MemoryCommand : public ProgramTest {
 protected:
  MemoryCommand() {
    unsetenv("LC_ALL");
    unsetenv("LC_MESSAGES");
    unsetenv("LANG");
  }
};

TEST_F(MemoryCommand, PrintsTheMemoryInBothLanguages) {
  run({"memory"})
      .exits(0)
      .prints("RAM: ")
      .prints(" total, ")
      .prints("Control group: ")
      .prints("GPU: none\n")
      .prints("For a run: ")
      .prints("Mode: ");
  run({"memory", "--lang", "es"})
      .exits(0)
      .prints("RAM: ")
      .prints(" disponibles, ")
      .prints("Grupo de control: ")
      .prints("GPU: ninguna\n")
      .prints("Modo: ");
  setenv("LANG", "es_MX.UTF-8", 1);
  run({"memory"}).exits(0).prints("GPU: ninguna");
  run({"memory", "--lang", "en"}).exits(0).prints("GPU: none");
  unsetenv("LANG");
}

TEST_F(MemoryCommand, PrintsTheModeOfABudget) {
  run({"memory", "--memory", "4GiB"}).exits(0).prints("Mode: normal. Enough memory");
  run({"memory", "--memory", "3000MB"})
      .exits(0)
      .prints("budget 2862 MiB")
      .prints("Mode: reduced. Using the reduced memory configuration");
  run({"memory", "--memory", "256MiB"}).exits(0).prints("budget 256 MiB\nMode: ultra-conserv");
  run({"memory", "--memory", "256MiB", "--lang", "es"})
      .exits(0)
      .prints("Modo: ultra-conservador. Modo de memoria ultra-conservador activado");
  run({"memory", "--memory", "9000TiB"}).exits(0).prints("the system may kill the program");
}

TEST_F(MemoryCommand, JsonHasAllFigures) {
  const auto json = nlohmann::json::parse(run({"memory", "--json", "--lang", "es"}).exits(0).out());
  const auto total = json.at("ram").at("total_bytes").get<std::uint64_t>();
  EXPECT_EQ(total, Meter().machine().total_bytes);
  EXPECT_EQ(json.at("ram").at("available_bytes").get<std::uint64_t>() +
                json.at("ram").at("used_bytes").get<std::uint64_t>(),
            total);
  EXPECT_GT(json.at("ram").at("used_percent").get<double>(), 0.0);
  EXPECT_TRUE(json.at("control_group").is_null() ||
              json.at("control_group").at("limit_bytes").get<std::uint64_t>() > 0);
  EXPECT_TRUE(json.at("gpu").is_null());
  const auto available = json.at("available_bytes").get<std::uint64_t>();
  EXPECT_LE(available, json.at("ram").at("available_bytes").get<std::uint64_t>());
  EXPECT_NEAR(json.at("budget_bytes").get<double>(), 0.8 * static_cast<double>(available), 1);
  const auto small =
      nlohmann::json::parse(run({"memory", "--json", "--memory", "1GiB"}).exits(0).out());
  EXPECT_EQ(small.at("budget_bytes"), 1 << 30);
  EXPECT_EQ(small.at("mode"), "ultra-conservative");
  EXPECT_EQ(small.at("message"), "Ultra-conservative memory mode is on");
}

TEST_F(MemoryCommand, PrintsTheControlGroupsLimit) {
  constexpr std::uint64_t kLimit = std::uint64_t{200} << 20U;
  const testing::ControlGroup group(kLimit);
  if (!group.ready()) GTEST_SKIP() << group.why_not();
  const auto json = [&](const std::string& setup) {
    const Outcome outcome = run_behind(group.enter_command() + setup, {"memory", "--json"});
    return nlohmann::json::parse(outcome.exits(0).out());
  };
  const auto first = json("");
  EXPECT_EQ(first.at("control_group").at("limit_bytes"), kLimit);
  const auto room = first.at("control_group").at("room_bytes").get<std::uint64_t>();
  EXPECT_LT(room, kLimit);
  EXPECT_GT(room, kLimit * 9 / 10);
  EXPECT_EQ(first.at("available_bytes"), room);
  EXPECT_EQ(first.at("mode"), "ultra-conservative");
  // A file just read is in the page cache: it counts as usage but does not reduce the room.
  write_bytes(file("large"), std::string(64 << 20, 'x'));
  const int descriptor = open(file("large").c_str(), O_RDWR);
  fsync(descriptor);
  posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
  close(descriptor);
  const auto second = json("; cat '" + file("large") + "' > /dev/null");
  const auto& told = second.at("control_group");
  EXPECT_NEAR(told.at("room_bytes").get<double>(), static_cast<double>(room), 16 << 20);
  if (told.at("usage_bytes").get<std::uint64_t>() > (64U << 20U)) {
    EXPECT_GT(told.at("reclaimable_bytes").get<std::uint64_t>(), 60U << 20U);
  }
  ASSERT_TRUE(group.set_limit(kLimit / 2));
  EXPECT_EQ(json("").at("control_group").at("limit_bytes"), kLimit / 2);
}

TEST_F(MemoryCommand, PrintsTheProcessLimit) {
  run({"memory"}).exits(0).prints("\nProcess limit: none\n");
  run({"memory", "--lang", "es"}).exits(0).prints("\nLímite del proceso: ninguno\n");
  for (const std::string letter : {"v", "d"}) {
    const std::string setup = "ulimit -" + letter + " 1000000";
    run_behind(setup, {"memory"})
        .exits(0)
        .prints("Process limit: 977 MiB (ulimit -" + letter + "), ")
        .prints(" MiB mapped, ");
    const auto json = nlohmann::json::parse(run_behind(setup, {"memory", "--json"}).exits(0).out());
    const auto& limit = json.at("process_limit");
    EXPECT_EQ(limit.at("kind"), letter == "v" ? "address_space" : "data");
    EXPECT_EQ(limit.at("limit_bytes"), 1024000000);
    EXPECT_EQ(limit.at("limit_bytes").get<std::uint64_t>(),
              limit.at("mapped_bytes").get<std::uint64_t>() +
                  limit.at("room_bytes").get<std::uint64_t>());
    EXPECT_EQ(json.at("available_bytes"), limit.at("room_bytes"));
  }
}

TEST_F(MemoryCommand, FirstRunOnAMachineStaysWithinItsBudget) {
  if (testing::kSanitized) GTEST_SKIP() << "the sanitizer uses memory of its own";
  const testing::ControlGroup group(std::uint64_t{80} << 20U);
  const std::string enter = group.ready() ? group.enter_command() : "true";
  const std::string limited[] = {"export XDG_CACHE_HOME='" + file("cache") + "'",
                                 "unset XDG_CACHE_HOME HOME"};
  for (const std::string& environment : limited) {
    const Outcome outcome =
        run_behind(enter + "; " + environment, generate({"--memory", "64MiB"})).exits(0);
    const std::string told = "Measured: peak ";
    const std::size_t at = outcome.err().find(told);
    ASSERT_NE(at, std::string::npos) << outcome.err();
    EXPECT_LE(std::stoi(outcome.err().substr(at + told.size())), 64) << outcome.err();
  }
  EXPECT_TRUE(fs::exists(file("cache/semblance/machine.json")));
  run_behind(enter + "; " + limited[0], {"memory", "--measure", "--memory", "64MiB"}).exits(0);
  run({"memory", "--measure", "--memory", "20MiB"}).exits(6).says("cannot measure this machine in");
}

TEST_F(MemoryCommand, RefusesInvalidAmountsAndLanguages) {
  for (const std::string amount : {"0", "-1", "5 bananas", "200%", "", "256", "99999999TiB"}) {
    run({"memory", "--memory", amount})
        .exits(2)
        .says("--memory: ")
        .says(", got '" + amount + "'\n  units are ")
        .prints_nothing();
  }
  run({"memory", "--lang", "fr"})
      .exits(2)
      .says("--lang: expected en (English) or es (Spanish), got 'fr'");
  run({"memory", "now"}).exits(2).says("unexpected argument 'now'");
  run({"memory", "--help"}).exits(0).prints("reclaimable_bytes").prints("Examples");
  run({"--help"}).exits(0).prints("  memory     ");
}

}  // namespace
}  // namespace semblance::cli
