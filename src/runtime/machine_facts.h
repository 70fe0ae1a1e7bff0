// The planner's prices: this machine's measured speeds.
//
// Rates are medians of short runs of the real kernels at SDXL's shapes, or smaller ones if memory
// is short, on all threads of the pool. They are cached in a file (machine_facts_path()), with one
// entry per backend, device and its driver, number of threads and scratch folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "runtime/backend.h"

namespace semblance {

/// Operations per second and thread of the reference's loops: rare small nodes, not worth
/// measuring.
inline constexpr double kReferenceRate = 1e9;

/// Rates for one dtype of the computation.
struct KernelRates {
  // Operations per second.
  double linear = 0;           // linear layers and 1x1 convolutions
  double narrow_conv = 0;      // 3x3 convolutions of at most 512 channels
  double wide_conv = 0;        // all other convolutions
  double attention = 0;        // with at least 256 keys
  double short_attention = 0;  // with fewer: a prompt's or a face's tokens
  // Bytes per second, counting all sources and results.
  double elementwise = 0;
  double norm = 0;  // group and layer norm
  double gate = 0;  // geglu
  // Bytes per second of stored (f16) weights that are converted and packed.
  double pack = 0;
};

struct MachineFacts {
  KernelRates f32;
  KernelRates half;         // of the 16-bit type in which the backend computes models
  double call_seconds = 0;  // overhead of calling a kernel
  // Bytes per second.
  double cached_read = 0;    // of a file in the page cache, on one thread
  double disk_read = 0;      // from the scratch folder's disk, bypassing the page cache
  double scratch_write = 0;  // to the same disk
  double upload = 0;         // to a device's own memory; 0 for the processor
  /// The memory that was available for measuring if it was too little for SDXL's shapes, else 0.
  std::uint64_t measured_in_bytes = 0;
  bool is_assumed = false;  // not measured, but taken for what such a device does; never cached
};

struct Measuring {
  /// Memory for measuring, in addition to what the process already holds. SDXL's shapes need 96
  /// MiB, the smallest ones a sixth of that.
  std::uint64_t room_bytes = ~std::uint64_t{0};
  bool refresh = false;  // measure even if cached
};

/// Measures the backend on its device: less than 5 seconds on any machine that can generate a
/// picture, once a card's driver has compiled the kernels. Writes and removes 32 MiB in `folder`.
/// Throws Error(kDevice) if it is not writable, Error(kMemory) if not even the smallest shapes fit.
MachineFacts measure_machine(const Backend& backend, const std::filesystem::path& folder,
                             std::uint64_t room_bytes = ~std::uint64_t{0});

/// The facts from the cache; if there are none, measures and caches them. Facts of smaller shapes
/// are measured again once there is twice the room. An unreadable, corrupt or unwritable cache is
/// ignored.
MachineFacts machine_facts(const Backend& backend, const std::filesystem::path& folder,
                           const Measuring& measuring = {});

/// The facts from the cache, if any.
std::optional<MachineFacts> known_machine_facts(const Backend& backend,
                                                const std::filesystem::path& folder);

/// semblance/machine.json under XDG_CACHE_HOME, else under ~/.cache; empty if neither is set.
std::filesystem::path machine_facts_path();

/// Predicted seconds of a run of the node with a kernel of that entry. 0 for views, and for spills
/// and fetches, whose time is the mover's.
double seconds_of(const MachineFacts& facts, const NodeView& node, const KernelEntry& kernel);

/// Predicted seconds to convert and pack that many bytes of stored weights, on all threads, for a
/// kernel that computes in `dtype`.
double pack_seconds(const MachineFacts& facts, std::uint64_t stored_bytes, DType dtype);

}  // namespace semblance
