#include "core/cores.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/parallel.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& path) {
  std::string line;
  std::ifstream in(path);
  std::getline(in, line);
  return line;
}

/// Without a topology, every CPU is a core.
int count_cores(const fs::path& root, std::span<const int> cpus) {
  std::set<std::string> cores;
  for (const int cpu : cpus) {
    std::string siblings = first_line(
        root / fmt::format("sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
    cores.insert(siblings.empty() ? fmt::format("cpu {}", cpu) : std::move(siblings));
  }
  return static_cast<int>(cores.size());
}

/// The processors that a quota amounts to; infinite without one.
double processors(double quota, double period) {
  return quota > 0 && period > 0 ? quota / period : INFINITY;
}

/// Of one control group, in either version: "200000 100000" or "max 100000", or two files.
double quota_of(const fs::path& group) {
  std::istringstream both(first_line(group / "cpu.max"));
  double quota = 0, period = 0;
  if (both >> quota >> period) return processors(quota, period);
  std::istringstream(first_line(group / "cpu.cfs_quota_us")) >> quota;
  std::istringstream(first_line(group / "cpu.cfs_period_us")) >> period;
  return processors(quota, period);
}

/// The least of a control group and those around it.
double quota_up_from(const fs::path& mount, fs::path group) {
  double least = INFINITY;
  for (group = group.relative_path();; group = group.parent_path()) {
    least = std::min(least, quota_of(mount / group));
    if (group.empty()) return least;
  }
}

/// Of the process: version 2's group, and that of version 1's controller "cpu".
double quota(const fs::path& root) {
  const fs::path mount = root / "sys/fs/cgroup";
  double least = INFINITY;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t name = line.find(':'), path = line.find(':', name + 1);
    if (name == line.npos || path == line.npos) continue;
    const std::string controllers = "," + line.substr(name + 1, path - name - 1) + ",";
    const std::string group = line.substr(path + 1);
    if (controllers == ",,") least = std::min(least, quota_up_from(mount, group));
    if (controllers.find(",cpu,") == controllers.npos) continue;
    for (const char* folder : {"cpu", "cpu,cpuacct"})
      least = std::min(least, quota_up_from(mount / folder, group));
  }
  return least;
}

}  // namespace

int cores_of(const fs::path& root, std::span<const int> cpus) {
  const int cores = count_cores(root, cpus);
  const double most = std::ceil(quota(root));
  return std::max(1, most < cores ? static_cast<int>(most) : cores);
}

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) cpus.push_back(cpu);
  }
  return cores_of("/", cpus);
}

}  // namespace semblance
