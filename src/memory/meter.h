// The memory of the machine, the control group and this process, in bytes. Linux: read from /proc
// and from the control groups' folders, v1 and v2. Swap never counts: swapped pages are not in
// memory.
//
// "Available" is the least of three figures: the machine's MemAvailable; the room left in the
// control group, which is limit - (usage - page cache that can be dropped); and what the process's
// own limits (ulimit -v, ulimit -d) still let it map. It does not include what this process already
// holds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace semblance {

/// The control group of this process. The limits of all its ancestors count, too.
struct GroupMemory {
  int version = 2;                      // 1 or 2
  std::string folder = {};              // of the group with the lowest limit
  std::uint64_t limit_bytes = 0;        // the lowest of all limits
  std::uint64_t usage_bytes = 0;        // of that group, page cache included
  std::uint64_t reclaimable_bytes = 0;  // page cache in it that the system can drop
  std::uint64_t room_bytes = 0;         // the least room of all groups
};

/// A resource limit of the process.
struct ProcessLimit {
  enum class Kind : std::uint8_t { kAddressSpace, kData };  // ulimit -v, ulimit -d
  Kind kind = Kind::kAddressSpace;
  std::uint64_t limit_bytes = 0;
  std::uint64_t mapped_bytes = 0;  // what counts against it; more than the resident bytes

  std::uint64_t room_bytes() const {
    return limit_bytes > mapped_bytes ? limit_bytes - mapped_bytes : 0;
  }
};

/// A graphics card's memory. The meter does not ask cards: device/cards.h does.
struct GpuMemory {
  std::string name;
  std::string driver;  // with its version
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;

  /// Held by other programs and the system.
  std::uint64_t used_bytes() const { return total_bytes - free_bytes; }
};

struct MachineMemory {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;       // only the machine's MemAvailable
  std::optional<GroupMemory> group = {};   // none if no limit is set
  std::optional<ProcessLimit> limit = {};  // the one with the least room
  std::optional<GpuMemory> gpu = {};       // filled in by callers that ask cards

  std::uint64_t used_bytes() const { return total_bytes - available_bytes; }
  double used_percent() const;
  /// What a run could still use: the least of available_bytes and the rooms of group and limit.
  std::uint64_t for_run_bytes() const;
};

/// From the system's page counters, which are batched per core: each figure may be off by about 64
/// pages per core.
struct ProcessMemory {
  std::uint64_t resident_bytes = 0;       // anonymous + file + shared
  std::uint64_t peak_resident_bytes = 0;  // the most since start or reset_peak()
  std::uint64_t anonymous_bytes = 0;      // heap, stacks, buffers
  std::uint64_t file_bytes = 0;           // code, libraries, mapped files
  std::uint64_t shared_bytes = 0;         // shared memory and tmpfs
};

/// Reads the figures. The control groups are found at construction; their limits are read each
/// time. Thread-safe; copies are cheap.
class Meter {
 public:
  /// `root` is prepended to /proc and the control groups' folders, for tests.
  explicit Meter(std::string root = "");

  /// Throws Error(kDevice) if /proc/meminfo cannot be read or lacks the figures.
  MachineMemory machine() const;
  /// machine().for_run_bytes().
  std::uint64_t available_bytes() const;
  /// Throws Error(kDevice) if /proc/self/status cannot be read or lacks the figures.
  ProcessMemory process() const;
  /// Resets peak_resident_bytes; false if the system does not allow it.
  bool reset_peak() const;

 private:
  friend class MemoryWatch;
  struct Folder {  // a control group's folder and the paths of its files
    int version;
    std::string path;
    std::vector<std::string> limits;
    std::string usage;
    std::string stat;
    bool is_leaf;
  };
  struct GroupFigures {
    const Folder* folder;
    std::uint64_t limit_bytes;
    std::uint64_t usage_bytes;
    std::uint64_t reclaimable_bytes;
    std::uint64_t room_bytes;
  };
  struct RamFigures {
    std::uint64_t total_bytes;
    std::uint64_t available_bytes;
  };
  static void add_folders(std::vector<Folder>& folders, int version, const std::string& top,
                          std::string rest);
  // These do not allocate. They return nothing if the figures cannot be read.
  std::optional<GroupFigures> group() const;
  std::optional<RamFigures> ram() const;
  std::optional<ProcessMemory> try_process() const;
  std::optional<ProcessLimit> limit() const;
  /// machine().for_run_bytes().
  std::optional<std::uint64_t> try_available() const;

  std::string root_;
  std::string meminfo_;
  std::string status_;
  std::string limits_;
  std::shared_ptr<const std::vector<Folder>> groups_;
};

}  // namespace semblance
