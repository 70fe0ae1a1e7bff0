// What memory the machine, the control group and this process have, in bytes. Linux: read from
// /proc and from the control groups' folders, v1 and v2. Swap is never counted: a page that is
// swapped is not there.
//
// "Available" is the least of three figures: the machine's MemAvailable; the room left in the
// control group, which is limit - (usage - page cache that can be dropped); and what the process'
// own limits (ulimit -v, ulimit -d) let it map beside what is mapped. What this process holds
// already is not part of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace semblance {

/// The control group of this process, of which every ancestor's limit counts, too.
struct GroupMemory {
  int version = 2;                      // 1 or 2
  std::string folder = {};              // of the group whose limit is the least
  std::uint64_t limit_bytes = 0;        // the least of all limits
  std::uint64_t usage_bytes = 0;        // of that group, page cache included
  std::uint64_t reclaimable_bytes = 0;  // page cache in it that the system can drop
  std::uint64_t room_bytes = 0;         // the least of all groups' rooms
};

/// A limit that the process was started with.
struct ProcessLimit {
  enum class Kind : std::uint8_t { kAddressSpace, kData };  // ulimit -v, ulimit -d
  Kind kind = Kind::kAddressSpace;
  std::uint64_t limit_bytes = 0;
  std::uint64_t mapped_bytes = 0;  // of what it counts; more than what is resident

  std::uint64_t room_bytes() const {
    return limit_bytes > mapped_bytes ? limit_bytes - mapped_bytes : 0;
  }
};

/// A place for a later item: no GPU is looked for yet.
struct GpuMemory {
  std::string name;
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
};

struct MachineMemory {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;       // the machine's MemAvailable alone
  std::optional<GroupMemory> group = {};   // none where no limit is set
  std::optional<ProcessLimit> limit = {};  // the one with the least room
  std::optional<GpuMemory> gpu = {};       // none found

  std::uint64_t used_bytes() const { return total_bytes - available_bytes; }
  double used_percent() const;
  /// What a run could take more: the least of available_bytes and the rooms of group and limit.
  std::uint64_t for_run_bytes() const;
};

/// As the system counts pages; it batches by processor, so a figure may be off by some 64 pages a
/// core.
struct ProcessMemory {
  std::uint64_t resident_bytes = 0;       // anonymous + file + shared
  std::uint64_t peak_resident_bytes = 0;  // the most since start or reset_peak()
  std::uint64_t anonymous_bytes = 0;      // heap, stacks, buffers
  std::uint64_t file_bytes = 0;           // code, libraries, mapped files
  std::uint64_t shared_bytes = 0;         // shared memory and tmpfs
};

/// Reads the figures. Finds the control groups once, when made; their limits are read anew each
/// time. Thread-safe; copies are cheap.
class Meter {
 public:
  /// `root` stands before /proc and the control groups' folders; a test gives a folder of its own.
  explicit Meter(std::string root = "");

  /// Throws Error(kDevice) when /proc/meminfo cannot be read or lacks the figures.
  MachineMemory machine() const;
  /// machine().for_run_bytes().
  std::uint64_t available_bytes() const;
  /// Throws Error(kDevice) when /proc/self/status cannot be read or lacks the figures.
  ProcessMemory process() const;
  /// Lets peak_resident_bytes begin anew; false where the system does not allow it.
  bool reset_peak() const;

 private:
  friend class MemoryWatch;
  struct Folder {  // of a control group, with the names of its files
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
  // These allocate nothing; nothing comes back where the figures cannot be read.
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
