// How many threads compute at once: available_cores() of core/parallel.h.
//
// A core with several hardware threads (SMT) counts once, since they share the units that compute.
// What the process is not bound to (taskset, cpusets) is left out. Control groups' processor time
// (`docker run --cpus 2`) is rounded up. NUMA nodes are not told apart: bind the process to one.
#pragma once

#include <filesystem>
#include <span>

namespace semblance {

/// Those of a machine whose /proc and /sys lie in `root`, for a process bound to `cpus`.
int cores_of(const std::filesystem::path& root, std::span<const int> cpus);

}  // namespace semblance
