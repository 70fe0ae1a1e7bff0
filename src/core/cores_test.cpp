#include "core/cores.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "core/parallel.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

class Cores : public ::testing::Test {
 protected:
  Cores() : root_(fs::temp_directory_path() / ("semblance_cores_" + std::to_string(getpid()))) {
    fs::create_directories(root_);
  }
  ~Cores() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << '\n';
  }
  void write_siblings(int cpu, const std::string& list) {
    write("sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list",
          list);
  }
  int cores(const std::vector<int>& cpus) const { return cores_of(root_, cpus); }

  fs::path root_;
};

TEST_F(Cores, AreCountedOnceWhateverTheirThreads) {
  EXPECT_EQ(cores({0, 1, 2}), 3);  // nothing is known
  EXPECT_EQ(cores({}), 1);
  for (int cpu = 0; cpu < 8; ++cpu)
    write_siblings(cpu, std::to_string(cpu % 4) + "," + std::to_string(cpu % 4 + 4));
  EXPECT_EQ(cores({0, 1, 2, 3, 4, 5, 6, 7}), 4);
  EXPECT_EQ(cores({1, 5}), 1);
  EXPECT_EQ(cores({1, 2}), 2);
}

TEST_F(Cores, FollowTheLeastQuotaOfTheControlGroups) {
  const std::vector<int> cpus{0, 1, 2, 3, 4, 5, 6, 7};
  write("proc/self/cgroup", "0::/user.slice/run");
  write("sys/fs/cgroup/user.slice/run/cpu.max", "max 100000");
  EXPECT_EQ(cores(cpus), 8);
  write("sys/fs/cgroup/user.slice/cpu.max", "250000 100000");
  EXPECT_EQ(cores(cpus), 3);
  write("sys/fs/cgroup/user.slice/run/cpu.max", "50000 100000");
  EXPECT_EQ(cores(cpus), 1);
  EXPECT_EQ(cores({0}), 1);
}

TEST_F(Cores, FollowTheQuotaOfVersion1) {
  const std::vector<int> cpus{0, 1, 2, 3};
  write("proc/self/cgroup", "3:cpuset:/\n4:cpu,cpuacct:/docker/abc\n");
  write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1");
  write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000");
  EXPECT_EQ(cores(cpus), 4);
  write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "200000");
  EXPECT_EQ(cores(cpus), 2);
  write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "nonsense");
  EXPECT_EQ(cores(cpus), 4);
}

TEST(AvailableCores, IsAtLeastOne) {
  EXPECT_GE(available_cores(), 1);
  EXPECT_LE(available_cores(), sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace
}  // namespace semblance
