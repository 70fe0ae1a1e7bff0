#include "runtime/machine_facts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "backend/backends.h"
#include "core/parallel.h"
#include "memory/file.h"
#include "memory/meter.h"
#include "runtime/trace.h"
#include "tests/support/errors.h"
#include "tests/support/sanitized.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// A cache folder of its own.
class MachineFactsCache : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("semblance_facts_{}", getpid());
    fs::create_directories(folder_);
    setenv("XDG_CACHE_HOME", folder_.c_str(), 1);
    path_ = machine_facts_path();
  }
  void TearDown() override {
    unsetenv("XDG_CACHE_HOME");
    fs::remove_all(folder_);
  }
  MachineFacts facts(bool refresh = false) const {
    return machine_facts(reference_backend(), fs::temp_directory_path(), {.refresh = refresh});
  }
  json cache() const { return json::parse(read_small_file(path_, 1 << 20)); }
  void write(const std::string& text) const {
    fs::create_directories(path_.parent_path());
    std::ofstream(path_) << text;
  }
  /// Whether the facts come from the cache.
  bool is_cached() const {
    json changed = cache();
    changed["machines"][0]["disk_read"] = 12345.0;
    write(changed.dump());
    return facts().disk_read == 12345.0;
  }
  fs::path folder_, path_;
};

TEST_F(MachineFactsCache, IsFilledOnceAndOnDemand) {
  EXPECT_EQ(path_, folder_ / "semblance" / "machine.json");
  const MachineFacts first = facts();
  EXPECT_GT(first.scratch_write, 1e5);
  EXPECT_GT(first.f32.linear, 1e6);
  EXPECT_EQ(facts().f32.elementwise, first.f32.elementwise);
  EXPECT_TRUE(is_cached());
  EXPECT_NE(facts(true).disk_read, 12345.0);
  EXPECT_EQ(cache()["machines"].size(), 1U);
}

TEST_F(MachineFactsCache, IsIgnoredAndWrittenAnewWhenItIsDamaged) {
  facts();
  const json good = cache();
  json negative = good, text = good, less = good;
  negative["machines"][0]["f32"]["linear"] = -1.0;
  text["machines"][0]["f32"] = "fast";
  less["machines"][0].erase("call_seconds");
  for (const std::string& damaged :
       {std::string("{\"machines\": [{\"ver"), std::string("[]"), std::string(),
        std::string("{\"machines\": 3}"), negative.dump(), text.dump(), less.dump()}) {
    write(damaged);
    EXPECT_GT(facts().f32.linear, 0.0);
    EXPECT_TRUE(is_cached()) << damaged;
  }
}

TEST_F(MachineFactsCache, KeepsOtherMachinesAndAsksForItsOwn) {
  facts();
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, json>>{{"processor", "Another"},
                                                 {"backend", "cpu"},
                                                 {"threads", 999},
                                                 {"cores", 999},
                                                 {"version", 0},
                                                 {"disk", "999:999"}}) {
    json other = cache();
    other["machines"] = json::array({other["machines"][0]});
    other["machines"][0][key] = value;
    other["machines"][0]["disk_read"] = 777.0;
    write(other.dump());
    EXPECT_NE(facts().disk_read, 777.0) << key;
    EXPECT_EQ(cache()["machines"].size(), 2U);
    EXPECT_EQ(cache()["machines"][1]["disk_read"], 777.0);
  }
}

TEST_F(MachineFactsCache, NeedNotBeWritable) {
  setenv("XDG_CACHE_HOME", "/proc/none", 1);
  EXPECT_GT(facts().f32.linear, 0.0);
  setenv("XDG_CACHE_HOME", "relative", 1);
  const char* home = std::getenv("HOME");
  const std::string before = home != nullptr ? home : "";
  setenv("HOME", "/home/somebody", 1);
  EXPECT_EQ(machine_facts_path(), "/home/somebody/.cache/semblance/machine.json");
  unsetenv("HOME");
  EXPECT_TRUE(machine_facts_path().empty());
  if (home != nullptr) setenv("HOME", before.c_str(), 1);
}

TEST(MachineFacts, AreMeasuredInSeconds) {
  const double begin = Trace::now();
  const MachineFacts facts = measure_machine(cpu_backend(), fs::temp_directory_path());
  EXPECT_LT(Trace::now() - begin, 60.0);  // 2 on a machine that does nothing else
  EXPECT_GT(facts.f32.linear, 1e8);
  EXPECT_GT(facts.cached_read, 1e7);
  EXPECT_GT(facts.call_seconds, 0.0);
  testing::expect_error(ErrorKind::kDevice, "/none",
                        [] { measure_machine(reference_backend(), "/none"); });
}

TEST(MachineFacts, AreMeasuredInTheRoomThatThereIs) {
  constexpr std::uint64_t kMib = 1 << 20;
  const auto measured = [](std::uint64_t room) {
    return measure_machine(cpu_backend(), fs::temp_directory_path(), room);
  };
  EXPECT_EQ(measured(96 * kMib).measured_in_bytes, 0U);
  const Meter meter;
  const MachineFacts small = measured(24 * kMib);  // code is made by now
  EXPECT_EQ(small.measured_in_bytes, 24 * kMib);
  EXPECT_GT(small.f32.linear, 1e8);
  EXPECT_GT(small.bf16.elementwise, 1e7);
  if (!testing::kSanitized && meter.reset_peak()) {
    const std::uint64_t before = meter.process().resident_bytes;
    measured(24 * kMib);
    EXPECT_LT(meter.process().peak_resident_bytes, before + 26 * kMib);
  }
  testing::expect_error(ErrorKind::kMemory,
                        "cannot measure this machine in 1 MiB\n  give it more --memory",
                        [&] { measured(kMib); });
}

TEST_F(MachineFactsCache, OfLittleRoomIsMeasuredAnewInMore) {
  facts();
  json entry = cache();
  entry["machines"][0]["measured_in_bytes"] = 1000;
  entry["machines"][0]["disk_read"] = 12345.0;
  write(entry.dump());
  const auto in = [](std::uint64_t room) {
    return machine_facts(reference_backend(), fs::temp_directory_path(), {.room_bytes = room});
  };
  EXPECT_EQ(in(1999).disk_read, 12345.0);
  EXPECT_EQ(known_machine_facts(reference_backend(), fs::temp_directory_path())->measured_in_bytes,
            1000U);
  EXPECT_NE(in(std::uint64_t{1} << 30).disk_read, 12345.0);
  EXPECT_FALSE(cache()["machines"][0].contains("measured_in_bytes"));
}

/// Facts that are easy to reckon with.
MachineFacts round_facts() {
  MachineFacts facts;
  facts.f32 = {100e9, 120e9, 80e9, 60e9, 30e9, 10e9, 8e9, 5e9, 2e9};
  facts.bf16 = facts.f32;
  facts.bf16.linear = 200e9;
  facts.bf16.pack = 1e9;
  facts.call_seconds = 1e-5;
  return facts;
}

double seconds(Op op, const std::vector<TensorType>& types, bool is_reference = false) {
  Graph graph;
  std::vector<ValueId> src;
  for (const TensorType& type : types)
    src.push_back(graph.add_input(fmt::format("x{}", src.size()), type));
  graph.add(std::move(op), src);
  return seconds_of(round_facts(), NodeView(graph, graph.nodes().back()),
                    {.op = {}, .name = {}, .make = nullptr, .is_reference = is_reference});
}

TEST(MachineFacts, PriceANodeByItsOperationsOrItsBytes) {
  const auto f32 = [](Shape shape) { return TensorType{DType::kF32, shape}; };
  const auto bf16 = [](Shape shape) { return TensorType{DType::kBF16, shape}; };
  const Linear plain{false, false};
  EXPECT_NEAR(seconds(plain, {f32({1000, 1000}), f32({1000, 1000})}), 1e-5 + 2e9 / 100e9, 1e-9);
  EXPECT_NEAR(seconds(plain, {bf16({1000, 1000}), bf16({1000, 1000})}), 1e-5 + 2e9 / 200e9, 1e-9);
  // One row: the weight's bytes are what takes time.
  EXPECT_NEAR(seconds(plain, {f32({1, 1000}), f32({1000, 1000})}), 1e-5 + 4.008e6 / 10e9, 1e-9);
  EXPECT_NEAR(seconds(plain, {f32({1000, 1000}), f32({1000, 1000})}, true),
              1e-5 + 2e9 / 1e9 / threads(), 1e-6);
  const Conv2d conv{.pad = {1, 1, 1, 1}, .has_bias = false};
  const double narrow = 18.0 * 64 * 64 * 512 * 64, wide = 18.0 * 64 * 64 * 513 * 64;
  EXPECT_NEAR(seconds(conv, {f32({1, 64, 64, 512}), f32({64, 512, 3, 3})}), 1e-5 + narrow / 120e9,
              1e-9);
  EXPECT_NEAR(seconds(conv, {f32({1, 64, 64, 513}), f32({64, 513, 3, 3})}), 1e-5 + wide / 80e9,
              1e-9);
  EXPECT_NEAR(seconds(Conv2d{.has_bias = false}, {f32({1, 64, 64, 640}), f32({640, 640, 1, 1})}),
              1e-5 + 2.0 * 64 * 64 * 640 * 640 / 100e9, 1e-9);
  const TensorType q = f32({1, 1000, 640}), prompt = f32({1, 77, 640});
  EXPECT_NEAR(seconds(Attention{.heads = 10}, {q, q, q}), 1e-5 + 4e6 * 640 / 60e9, 1e-9);
  EXPECT_NEAR(seconds(Attention{.heads = 10}, {q, prompt, prompt}), 1e-5 + 4 * 77e3 * 640 / 30e9,
              1e-9);
  EXPECT_NEAR(seconds(Binary{}, {q, q}), 1e-5 + 3 * 2.56e6 / 10e9, 1e-9);
  EXPECT_NEAR(seconds(Geglu{}, {q}), 1e-5 + 1.5 * 2.56e6 / 5e9, 1e-9);
  EXPECT_NEAR(seconds(LayerNorm{}, {q, f32({640}), f32({640})}), 1e-5 + 5125120 / 8e9, 1e-9);
  // Of a table or a larger tensor only the rows that are taken move.
  EXPECT_NEAR(seconds(Slice{.axis = 1, .begin = 0, .end = 10}, {q}), 1e-5 + 2 * 25600 / 10e9, 1e-9);
  EXPECT_NEAR(seconds(GroupNorm{}, {q, f32({640}), f32({640})}), 1e-5 + 5125120 / 8e9, 1e-9);
  EXPECT_EQ(seconds(Reshape{{1000, 640}}, {q}), 0.0);
  EXPECT_NEAR(pack_seconds(round_facts(), 4e9, DType::kF32), 2.0, 1e-9);
  EXPECT_NEAR(pack_seconds(round_facts(), 4e9, DType::kBF16), 4.0, 1e-9);
}

}  // namespace
}  // namespace semblance
