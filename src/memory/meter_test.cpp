#include "memory/meter.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/error.h"
#include "memory/buffer.h"
#include "memory/memory_watch.h"
#include "memory/mib_test.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::expect_error;

/// A tree of /proc and control groups that a test writes.
class FakeMachine : public ::testing::Test {
 protected:
  FakeMachine() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::temp_directory_path() /
            ("semblance_meter_" + std::string(test->name()) + std::to_string(getpid()));
    write("/proc/meminfo",
          "MemTotal:       16384 kB\nMemFree:  1024 kB\nMemAvailable:   8192 kB\n");
    write("/proc/self/status",
          "Name:\tsemblance\nVmHWM:\t    500 kB\nVmRSS:\t    400 kB\nRssAnon:\t 300 kB\n"
          "RssFile:\t 60 kB\nRssShmem:\t 40 kB\n");
  }
  ~FakeMachine() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    const fs::path file = root_ / path.substr(1);
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  /// Writes mountinfo, a line per mount: root, mount point, type and options.
  void mounts(const std::vector<std::array<std::string, 4>>& lines) const {
    std::string text = "23 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n";
    for (const auto& [root, point, type, options] : lines) {
      text += "30 23 0:28 " + root + " " + point + " rw,nosuid shared:9 master:3 - " + type + " " +
              type + " " + options + "\n";
      fs::create_directories(root_ / point.substr(1));
    }
    write("/proc/self/mountinfo", text);
  }
  void group_v1(const std::string& folder, const std::string& limit, std::uint64_t usage,
                std::uint64_t inactive = 0, std::uint64_t active = 0) const {
    write(folder + "/memory.limit_in_bytes", limit + "\n");
    write(folder + "/memory.usage_in_bytes", std::to_string(usage) + "\n");
    write(folder + "/memory.stat",
          "cache 999999\ninactive_file 1\nactive_file 1\n"
          "total_inactive_file " +
              std::to_string(inactive) + "\ntotal_active_file " + std::to_string(active) + "\n");
  }
  void group_v2(const std::string& folder, const std::string& limit, std::uint64_t usage,
                std::uint64_t inactive = 0, std::uint64_t active = 0) const {
    write(folder + "/memory.max", limit + "\n");
    write(folder + "/memory.current", std::to_string(usage) + "\n");
    write(folder + "/memory.stat", "file 999999\ninactive_file " + std::to_string(inactive) +
                                       "\nactive_file " + std::to_string(active) + "\n");
  }
  void cgroup(const std::string& text) const { write("/proc/self/cgroup", text); }
  Meter meter() const { return Meter(root_.string()); }
  std::optional<GroupMemory> group() const { return meter().machine().group; }

  fs::path root_;
};

constexpr const char* kUnlimitedV1 = "9223372036854771712";

TEST_F(FakeMachine, ReadsTheMachinesFigures) {
  const MachineMemory machine = meter().machine();
  EXPECT_EQ(machine.total_bytes, 16 * kMib);
  EXPECT_EQ(machine.available_bytes, 8 * kMib);
  EXPECT_EQ(machine.used_bytes(), 8 * kMib);
  EXPECT_EQ(machine.used_percent(), 50.0);
  EXPECT_EQ(machine.for_run_bytes(), 8 * kMib);
  EXPECT_FALSE(machine.group);
  EXPECT_FALSE(machine.gpu);
}

TEST_F(FakeMachine, ReadsTheProcessFigures) {
  const ProcessMemory process = meter().process();
  EXPECT_EQ(process.resident_bytes, 400 * 1024U);
  EXPECT_EQ(process.peak_resident_bytes, 500 * 1024U);
  EXPECT_EQ(process.anonymous_bytes, 300 * 1024U);
  EXPECT_EQ(process.file_bytes, 60 * 1024U);
  EXPECT_EQ(process.shared_bytes, 40 * 1024U);
}

TEST_F(FakeMachine, FailsIfFiguresAreMissing) {
  write("/proc/meminfo", "MemTotal: 16384 kB\nMemAvailableToo: 3 kB\n");
  expect_error(ErrorKind::kDevice,
               "cannot read the machine's memory: ", [&] { meter().machine(); });
  write("/proc/meminfo", "MemTotal: much kB\nMemAvailable: 18446744073709551615 kB\n");
  expect_error(ErrorKind::kDevice, "/proc/meminfo must have MemTotal and MemAvailable",
               [&] { meter().available_bytes(); });
  fs::remove(root_ / "proc/self/status");
  expect_error(ErrorKind::kDevice, "/proc/self/status must have VmRSS and VmHWM",
               [&] { meter().process(); });
  EXPECT_FALSE(meter().reset_peak());
}

TEST_F(FakeMachine, V1UsesTheLowestLimitOfAllAncestors) {
  mounts({{"/", "/sys/fs/cgroup/cpu", "cgroup", "rw,cpu"},
          {"/", "/sys/fs/cgroup/memory", "cgroup", "rw,memory"}});
  cgroup("5:cpu:/user\n4:cpuset,memory:/job/step\n0::/\n");
  group_v1("/sys/fs/cgroup/memory", kUnlimitedV1, 9 * kMib);
  group_v1("/sys/fs/cgroup/memory/job", std::to_string(4 * kMib), 3 * kMib, kMib);
  group_v1("/sys/fs/cgroup/memory/job/step", std::to_string(6 * kMib), 2 * kMib, kMib / 4,
           kMib / 4);
  const auto found = group();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->version, 1);
  EXPECT_EQ(found->limit_bytes, 4 * kMib);
  EXPECT_EQ(found->usage_bytes, 3 * kMib);
  EXPECT_EQ(found->reclaimable_bytes, kMib);
  EXPECT_EQ(found->room_bytes, 2 * kMib);  // of job; step alone has 4.5
  EXPECT_EQ(meter().available_bytes(), 2 * kMib);
  // The group with the least room need not have the lowest limit.
  group_v1("/sys/fs/cgroup/memory/job", std::to_string(4 * kMib), 3 * kMib, 3 * kMib);
  group_v1("/sys/fs/cgroup/memory/job/step", std::to_string(5 * kMib), 4 * kMib);
  EXPECT_EQ(group()->limit_bytes, 4 * kMib);
  EXPECT_EQ(group()->room_bytes, kMib);
}

TEST_F(FakeMachine, V1WithoutALimitIsNone) {
  mounts({{"/", "/sys/fs/cgroup/memory", "cgroup", "rw,memory"}});
  cgroup("4:memory:/job\n");
  group_v1("/sys/fs/cgroup/memory", kUnlimitedV1, 9 * kMib);
  group_v1("/sys/fs/cgroup/memory/job", kUnlimitedV1, 9 * kMib);
  EXPECT_FALSE(group());
}

TEST_F(FakeMachine, V1ContainerSeesItsOwnGroupOnly) {
  // Docker without a namespace for groups: the path is the host's, the mount is the group itself.
  mounts({{"/docker/abc", "/sys/fs/cgroup/memory", "cgroup", "rw,memory"}});
  cgroup("4:memory:/docker/abc\n");
  group_v1("/sys/fs/cgroup/memory", std::to_string(4 * kMib), kMib);
  EXPECT_EQ(group()->room_bytes, 3 * kMib);
  // With a namespace the path is "/", and only memory.stat shows the limits above.
  mounts({{"/", "/sys/fs/cgroup/memory", "cgroup", "rw,memory"}});
  cgroup("4:memory:/\n");
  write("/sys/fs/cgroup/memory/memory.stat",
        "hierarchical_memory_limit " + std::to_string(3 * kMib) + "\ntotal_inactive_file 0\n");
  EXPECT_EQ(group()->limit_bytes, 3 * kMib);
  EXPECT_EQ(group()->room_bytes, 2 * kMib);
}

TEST_F(FakeMachine, V2UsesTheLowestLimitOfAllAncestors) {
  mounts({{"/", "/sys/fs/cgroup", "cgroup2", "rw,nsdelegate"}});
  cgroup("0::/user.slice/app.scope\n");
  group_v2("/sys/fs/cgroup/user.slice", std::to_string(6 * kMib), 5 * kMib, kMib, kMib);
  group_v2("/sys/fs/cgroup/user.slice/app.scope", "max", 4 * kMib);
  const auto found = group();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->version, 2);
  EXPECT_EQ(found->limit_bytes, 6 * kMib);
  EXPECT_EQ(found->reclaimable_bytes, 2 * kMib);
  EXPECT_EQ(found->room_bytes, 3 * kMib);
  EXPECT_TRUE(found->folder.ends_with("/sys/fs/cgroup/user.slice")) << found->folder;
  // Above memory.high the system throttles the group and reclaims its pages, so it counts as a
  // limit.
  write("/sys/fs/cgroup/user.slice/app.scope/memory.high", std::to_string(5 * kMib));
  EXPECT_EQ(group()->limit_bytes, 5 * kMib);
  EXPECT_EQ(group()->room_bytes, kMib);
}

TEST_F(FakeMachine, V2WithMaxEverywhereIsNone) {
  mounts({{"/", "/sys/fs/cgroup", "cgroup2", "rw"}});
  cgroup("0::/app\n");
  group_v2("/sys/fs/cgroup/app", "max", kMib);
  write("/sys/fs/cgroup/app/memory.high", "max\n");
  EXPECT_FALSE(group());
}

TEST_F(FakeMachine, V2ContainerWithANamespace) {
  mounts({{"/", "/sys/fs/cgroup", "cgroup2", "ro"}});
  cgroup("0::/\n");
  group_v2("/sys/fs/cgroup", std::to_string(2 * kMib), kMib);
  EXPECT_EQ(group()->room_bytes, kMib);
  // The group is outside the namespace: the mounted folder is the nearest.
  cgroup("0::/../elsewhere\n");
  EXPECT_EQ(group()->room_bytes, kMib);
}

TEST_F(FakeMachine, HybridUsesTheLimitsOfV1) {
  mounts({{"/", "/sys/fs/cgroup/memory", "cgroup", "rw,memory"},
          {"/", "/sys/fs/cgroup/unified", "cgroup2", "rw"}});
  cgroup("4:memory:/job\n0::/job\n");
  group_v1("/sys/fs/cgroup/memory/job", std::to_string(2 * kMib), kMib);
  write("/sys/fs/cgroup/unified/job/cgroup.procs", "1\n");
  EXPECT_EQ(group()->version, 1);
  EXPECT_EQ(group()->limit_bytes, 2 * kMib);
}

TEST_F(FakeMachine, AMountMayHaveASpaceInItsName) {
  mounts({{"/", "/sys/fs/c\\040group", "cgroup2", "rw"}});
  cgroup("0::/a:b\n");
  group_v2("/sys/fs/c group/a:b", std::to_string(2 * kMib), kMib);
  EXPECT_EQ(group()->limit_bytes, 2 * kMib);
}

TEST_F(FakeMachine, AFullGroupHasNoRoom) {
  mounts({{"/", "/sys/fs/cgroup", "cgroup2", "rw"}});
  cgroup("0::/app\n");
  group_v2("/sys/fs/cgroup/app", std::to_string(kMib), 3 * kMib);
  EXPECT_EQ(group()->room_bytes, 0U);
  group_v2("/sys/fs/cgroup/app", std::to_string(kMib), kMib / 2,
           kMib);  // cache > usage: read at different times
  EXPECT_EQ(group()->room_bytes, kMib);
}

TEST_F(FakeMachine, SeesALoweredLimit) {
  mounts({{"/", "/sys/fs/cgroup", "cgroup2", "rw"}});
  cgroup("0::/app\n");
  group_v2("/sys/fs/cgroup/app", std::to_string(4 * kMib), kMib);
  const Meter same = meter();
  EXPECT_EQ(same.available_bytes(), 3 * kMib);
  write("/sys/fs/cgroup/app/memory.max", std::to_string(2 * kMib));
  EXPECT_EQ(same.available_bytes(), kMib);
}

TEST_F(FakeMachine, BrokenListsMeanNoGroup) {
  write("/proc/self/mountinfo", "30 23 0:28\n - cgroup2\n\n30 23 0:28 / /x rw - cgroup2\n-\n");
  cgroup("0\n:\n0::\n4:memory\n");
  EXPECT_FALSE(group());
}

TEST_F(FakeMachine, CountsTheProcessLimits) {
  const auto limits = [this](const std::string& space, const std::string& data) {
    write("/proc/self/limits",
          "Limit                     Soft Limit           Hard Limit           Units     \n"
          "Max data size             " +
              data +
              "           unlimited            bytes     \n"
              "Max address space         " +
              space + "            unlimited            bytes     \n");
  };
  limits("unlimited", "unlimited");
  write("/proc/self/status", "VmSize: 3072 kB\nVmHWM: 500 kB\nVmRSS: 400 kB\nVmData: 1024 kB\n");
  EXPECT_FALSE(meter().machine().limit);
  limits(std::to_string(4 * kMib), "unlimited");
  const auto limit = meter().machine().limit;
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->kind, ProcessLimit::Kind::kAddressSpace);
  EXPECT_EQ(limit->limit_bytes, 4 * kMib);
  EXPECT_EQ(limit->mapped_bytes, 3 * kMib);
  EXPECT_EQ(meter().available_bytes(), kMib);
  EXPECT_EQ(MemoryWatch(meter()).last().available_bytes, kMib);
  limits(std::to_string(4 * kMib), std::to_string(3 * kMib / 2));
  EXPECT_EQ(meter().machine().limit->kind, ProcessLimit::Kind::kData);
  EXPECT_EQ(meter().available_bytes(), kMib / 2);
  limits(std::to_string(2 * kMib), "unlimited");  // lowered below what is mapped
  EXPECT_EQ(meter().available_bytes(), 0U);
}

TEST_F(FakeMachine, TheWatchKeepsTheExtremes) {
  std::atomic<int> samples{0};
  MemoryWatch watch(meter(), 1ms, [&](const MemorySample&) { ++samples; });
  const auto wait = [&] {
    const int before = samples;
    while (samples < before + 2) std::this_thread::sleep_for(1ms);
  };
  EXPECT_EQ(watch.last().resident_bytes, 400 * 1024U);
  EXPECT_EQ(watch.peak_bytes(), 400 * 1024U);  // the peak of 500 was before the watch began
  write("/proc/meminfo", "MemTotal: 16384 kB\nMemAvailable: 4096 kB\n");
  write("/proc/self/status", "VmHWM: 500 kB\nVmRSS: 450 kB\n");
  wait();
  write("/proc/meminfo", "MemTotal: 16384 kB\nMemAvailable: 5120 kB\n");
  wait();
  EXPECT_EQ(watch.least_available_bytes(), 4 * kMib);
  EXPECT_EQ(watch.last().available_bytes, 5 * kMib);
  EXPECT_EQ(watch.peak_bytes(), 450 * 1024U);
  write("/proc/self/status", "VmHWM: 600 kB\nVmRSS: 300 kB\n");
  EXPECT_EQ(watch.peak_bytes(), 600 * 1024U);  // between two samples
}

TEST(Meter, SeesThisProcessGrow) {
  const Meter meter;
  const MachineMemory machine = meter.machine();
  EXPECT_GT(machine.total_bytes, 64 * kMib);
  EXPECT_LE(machine.available_bytes, machine.total_bytes);
  const ProcessMemory before = meter.process();
  EXPECT_GT(before.file_bytes, 0U);
  std::uint64_t grown = 0;
  {
    Buffer buffer(64 * kMib, Tag::kOther);
    std::memset(buffer.data(), 1, buffer.size());
    grown = meter.process().resident_bytes;
    EXPECT_GT(grown, before.resident_bytes + 60 * kMib);
  }
  const ProcessMemory after = meter.process();
  EXPECT_LT(after.resident_bytes, grown - 60 * kMib);
  EXPECT_GT(after.peak_resident_bytes, before.resident_bytes + 60 * kMib);
  if (!meter.reset_peak()) GTEST_SKIP() << "the peak cannot be reset here";
  EXPECT_LT(meter.process().peak_resident_bytes, grown - 60 * kMib);
}

TEST(MemoryWatch, EndsAtOnceAndCostsLittle) {
  const auto begin = std::chrono::steady_clock::now();
  { MemoryWatch watch(Meter(), 1h); }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  // Processor time of a thousand samples, not wall time: the machine may be busy.
  std::atomic<int> samples{0};
  const std::clock_t clock = std::clock();
  {
    MemoryWatch watch(Meter(), 0ms, [&](const MemorySample&) { ++samples; });
    while (samples < 1000) std::this_thread::sleep_for(1ms);
  }
  const double seconds = static_cast<double>(std::clock() - clock) / CLOCKS_PER_SEC;
  RecordProperty("microseconds_a_sample", static_cast<int>(seconds * 1e6 / samples));
  std::printf("%.1f us per sample\n", seconds * 1e6 / samples);
  EXPECT_LT(seconds / samples, 2e-3);  // at most 2 % of a core at ten samples a second
}

}  // namespace
}  // namespace semblance
