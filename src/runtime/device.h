// Where a backend's kernels run. A device has a name, and gives each run its own memory and an
// executor that works on it.
//
// Only the executor touches the device's memory. The host accesses it through views:
//
//   auto bytes = executor.begin_write(place); ...; executor.end_write(place);   // host to device
//   executor.run(command);
//   auto bytes = executor.begin_read(place); ...; executor.end_read(place);     // device to host
//
// On the host device a view is the memory itself; on others it is a copy.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/backend.h"

namespace semblance {

/// The regions of a run's memory; planner/plan.h says what they hold.
enum class Region : std::uint8_t { kArena, kResident };

struct RegionBytes {
  std::uint64_t arena = 0;
  std::uint64_t resident = 0;
};

/// Bytes of a run's memory, at the planner's offset. For whole values it is a multiple of
/// kPlaceAlignment.
struct DevicePlace {
  Region region = Region::kArena;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  bool operator==(const DevicePlace&) const = default;
};

/// The places a kernel works on. Weights are packed (Kernel::pack), other sources are plain values.
/// dst may be the place of the source that the op may overwrite.
struct KernelPlaces {
  std::vector<DevicePlace> src;
  DevicePlace dst;
  DevicePlace scratch;
};

/// The memory of one run, and execution in the order of the calls. A device may defer work as long
/// as no view reveals it. Not thread-safe. Device errors are Error(kDevice) and Error(kMemory).
class Executor {
 public:
  virtual ~Executor() = default;

  /// Returns the command number with which run() computes the kernel in these places, any number of
  /// times. The kernel must be of the device's backend and outlive this. Call its compile() before
  /// run().
  virtual std::size_t prepare(const Kernel& kernel, const KernelPlaces& places) = 0;
  virtual void run(std::size_t command) = 0;

  /// A view to write the whole new content of a place to. It is undefined at first and takes effect
  /// with end_write(). Several views may be open at once if their places do not overlap.
  virtual std::span<std::byte> begin_write(const DevicePlace& place) = 0;
  virtual void end_write(const DevicePlace& place) = 0;
  /// A view of a place's content, which must not change before end_read().
  virtual std::span<const std::byte> begin_read(const DevicePlace& place) = 0;
  virtual void end_read(const DevicePlace& place) = 0;
  /// Returns once everything that was given to do with the place has been done.
  void wait_for(const DevicePlace& place) {
    const DevicePlace first{place.region, place.offset, std::min<std::uint64_t>(place.bytes, 4)};
    begin_read(first);
    end_read(first);
  }
  /// Begins to copy a place's content of now for a later begin_read(), whatever runs in between. A
  /// place's reads end in the order in which they began. Returns false, and does nothing, if
  /// begin_read() needs no copy.
  virtual bool start_read(const DevicePlace& /*place*/) { return false; }
  /// Whether the oldest read of the place that was started is copied.
  virtual bool is_read(const DevicePlace& /*place*/) { return true; }

  /// Aborts a run: closes every view and discards what was written to it. What was written during
  /// the run to views that are closed may be lost, too.
  virtual void abandon() noexcept = 0;

  struct Move {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::uint64_t bytes = 0;
  };
  /// Frees all but the resident region. Afterwards only restart() may be called. Returns false, and
  /// does nothing, if the device cannot do it.
  virtual bool keep_resident() { return false; }
  /// Makes the regions that large, as if new, but for the `moves` within the resident region: they
  /// take effect at once. Both `from` and `to` ascend, and neither places overlap. Throws
  /// Error(kMemory).
  virtual void restart(const RegionBytes& /*bytes*/, std::span<const Move> /*moves*/) {
    SEMBLANCE_ASSERT(false);
  }
};

/// Const use is thread-safe.
class Device {
 public:
  virtual ~Device() = default;
  /// The model of the processor or card: "AMD EPYC 9354". Measurements are stored under this name
  /// and driver().
  virtual std::string name() const = 0;
  /// The driver and its version, if the device has one: another may be faster.
  virtual std::string driver() const { return {}; }
  /// Large regions are made of pieces of this size, a multiple of kFileAlignment, and no place may
  /// lie in two of them; 0 if they are of one piece. Concerns weights that stay (Plan::slab_bytes).
  virtual std::uint64_t slab_bytes() const { return 0; }
  /// The largest value that a kernel can use in one piece. Plans cut larger ones.
  virtual std::uint64_t largest_value_bytes() const { return ~std::uint64_t{0}; }
  /// Main memory that an executor takes for copies to and from the device. A view of a larger place
  /// takes as much as the place.
  virtual std::uint64_t copy_bytes() const { return 0; }
  /// What this process may still take of the device's memory; below 0 if it holds more than it
  /// should, because other programs take memory. Absent if the device does not know. Throws
  /// Error(kDevice), Error(kMemory).
  virtual std::optional<std::int64_t> free_bytes() const { return std::nullopt; }
  /// Allocates memory of these sizes, with undefined content. Throws Error(kMemory).
  virtual std::unique_ptr<Executor> make_executor(const RegionBytes& bytes) const = 0;
};

}  // namespace semblance
