// Where a backend's kernels run: a device has a name, and gives each run memory of its own and an
// executor that works on it.
//
// Nobody but the executor touches the device's memory. The host sees a place of it in a view:
//
//   auto bytes = executor.begin_write(place); ...; executor.end_write(place);   // host to device
//   executor.run(command);
//   auto bytes = executor.begin_read(place); ...; executor.end_read(place);     // device to host
//
// On the host a view is the place itself; elsewhere it is a copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/backend.h"

namespace semblance {

/// Of a run's memory; planner/plan.h says what lies in them.
enum class Region : std::uint8_t { kArena, kResident };

struct RegionBytes {
  std::uint64_t arena = 0;
  std::uint64_t resident = 0;
};

/// Bytes of a run. Offsets are as the planner gives them: of whole values, multiples of
/// kPlaceAlignment.
struct DevicePlace {
  Region region = Region::kArena;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  bool operator==(const DevicePlace&) const = default;
};

/// Where a kernel works. A source that is a weight is packed (Kernel::pack), the others are plain
/// values. dst may be the place of the source that the op may overwrite.
struct KernelPlaces {
  std::vector<DevicePlace> src;
  DevicePlace dst;
  DevicePlace scratch;
};

/// The memory of one run and what works on it, in the order of the calls: a device may do it later,
/// as long as no view shows that. One thread calls. Errors of the device are Error(kDevice) and
/// Error(kMemory).
class Executor {
 public:
  virtual ~Executor() = default;

  /// The number under which run() computes the kernel in these places, as often as it is called.
  /// The kernel is one of the device's backend and outlives this; compile() comes before run().
  virtual std::size_t prepare(const Kernel& kernel, const KernelPlaces& places) = 0;
  virtual void run(std::size_t command) = 0;

  /// A view to write a place's new content to, all of it: undefined at first. end_write() makes it
  /// the content. Several views may be open at once, of places that don't overlap.
  virtual std::span<std::byte> begin_write(const DevicePlace& place) = 0;
  virtual void end_write(const DevicePlace& place) = 0;
  /// A view of a place's content, which may not change before end_read().
  virtual std::span<const std::byte> begin_read(const DevicePlace& place) = 0;
  virtual void end_read(const DevicePlace& place) = 0;

  /// Ends in the middle of a run: every view is closed, what was written to it is lost.
  virtual void abandon() noexcept = 0;
};

/// Const use is thread-safe.
class Device {
 public:
  virtual ~Device() = default;
  /// Of the processor or the card: "AMD EPYC 9354". What is measured of it is kept by that name.
  virtual std::string name() const = 0;
  /// Takes memory of these sizes, of undefined content. Throws Error(kMemory).
  virtual std::unique_ptr<Executor> make_executor(const RegionBytes& bytes) const = 0;
};

}  // namespace semblance
