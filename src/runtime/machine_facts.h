// What this machine does in a second, measured: the planner's prices.
//
// Rates are medians of short runs of the real kernels at SDXL's shapes, on all threads of the pool;
// at smaller shapes where memory lacks. They are kept in a file for the next time
// (machine_facts_path()): one entry a backend, its device, number of threads and scratch folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "runtime/backend.h"

namespace semblance {

/// For one dtype of the computation.
struct KernelRates {
  // Operations a second.
  double linear = 0;           // linear layers and 1x1 convolutions
  double narrow_conv = 0;      // 3x3 convolutions of at most 512 channels
  double wide_conv = 0;        // all other convolutions
  double attention = 0;        // with at least 256 keys
  double short_attention = 0;  // with fewer: a prompt's or a face's tokens
  // Bytes a second, of all sources and results.
  double elementwise = 0;
  double norm = 0;  // of groups and layers
  double gate = 0;  // geglu
  // Bytes a second, of weights as stored (f16), converted and packed.
  double pack = 0;
};

struct MachineFacts {
  KernelRates f32;
  KernelRates bf16;
  double call_seconds = 0;  // of a kernel with nothing to do
  // Bytes a second.
  double cached_read = 0;    // of a file in the page cache, on one thread
  double disk_read = 0;      // of the scratch folder's disk, past the page cache
  double scratch_write = 0;  // to it
  /// What the measuring had to do with, where that was too little for SDXL's shapes; else 0.
  std::uint64_t measured_in_bytes = 0;
};

struct Measuring {
  /// What the measuring may hold beside what the process holds. 96 MiB are enough for SDXL's
  /// shapes, a sixth of that for the smallest.
  std::uint64_t room_bytes = ~std::uint64_t{0};
  bool refresh = false;  // measure in any case
};

/// Measures the backend on its device, in less than 5 seconds on anything that can make a picture.
/// `folder` is the scratch
/// folder; 32 MiB are written there, and gone after that. Throws Error(kDevice) when it cannot be
/// written, Error(kMemory) when there is no room for the smallest shapes.
MachineFacts measure_machine(const Backend& backend, const std::filesystem::path& folder,
                             std::uint64_t room_bytes = ~std::uint64_t{0});

/// The facts from the cache, else measured and put there. Those of smaller shapes are measured anew
/// in twice the room. An unreadable, damaged or unwritable cache is ignored.
MachineFacts machine_facts(const Backend& backend, const std::filesystem::path& folder,
                           const Measuring& measuring = {});

/// The facts from the cache alone.
std::optional<MachineFacts> known_machine_facts(const Backend& backend,
                                                const std::filesystem::path& folder);

/// semblance/machine.json under XDG_CACHE_HOME, else under ~/.cache; empty where neither is set.
std::filesystem::path machine_facts_path();

/// How long a run of the node takes with a kernel of that entry. A view, a spill and a fetch take
/// none: scratch bytes are the mover's.
double seconds_of(const MachineFacts& facts, const NodeView& node, const KernelEntry& kernel);

/// How long all threads need to convert and pack so many bytes of stored weights for a kernel that
/// computes in `dtype`.
double pack_seconds(const MachineFacts& facts, std::uint64_t stored_bytes, DType dtype);

}  // namespace semblance
