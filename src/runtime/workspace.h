// What the stages of a run share: the backend, the memory budget, the scratch folder and the
// machine's facts. A cheap handle; const use is thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "memory/memory_room.h"
#include "memory/meter.h"
#include "runtime/machine_facts.h"
#include "runtime/session.h"

namespace semblance {

/// Our memory besides a session's places. A stage gives it to the plan and to the run in the same
/// form.
struct OtherMemory {
  std::uint64_t kept_bytes = 0;      // already held, and kept during the run
  std::uint64_t released_bytes = 0;  // already held, but freed before the run
  std::uint64_t added_bytes = 0;     // allocated while the places are in use: copies of results
};

class Workspace {
 public:
  struct Options {
    /// Memory limit of the whole process. Absent: no limit, and nothing is spilled.
    std::optional<std::uint64_t> budget_bytes = {};
    /// The part of the budget that a plan reserved for the process' base (planned_base()). A
    /// session takes the rest, or less if the process has grown beyond the base.
    std::optional<std::uint64_t> base_bytes = {};
    /// Memory for each session's places, instead of what is left of the budget. For tests and
    /// benches.
    std::optional<std::uint64_t> places_bytes = {};
    /// Reads the machine's available memory before each stage and each step, which limits them like
    /// a smaller budget. Absent: available memory is ignored.
    std::optional<Meter> meter = {};
    /// Memory for each session's places on a device of its own memory, such as a graphics card.
    /// Absent: the places are in the process, and only the budget limits them.
    struct DeviceRoom {
      std::uint64_t bytes = 0;
      bool is_separate = true;  // false: the same memory as the process', so the budget counts, too
    };
    std::optional<DeviceRoom> device_room = {};
    bool may_spill = true;
    std::filesystem::path scratch_folder = {};  // empty: chosen on first use
    /// Absent: predicted times are a rough guess.
    std::shared_ptr<const MachineFacts> facts = {};
    DType dtype = DType::kF32;  // of most of the computation
    /// The share of the weights that is already in the page cache.
    double cached_share = 1;
    Trace* trace = nullptr;
  };

  /// No limit. Implicit, so that a backend alone can be passed as a workspace.
  Workspace(const Backend& backend);
  Workspace(const Backend& backend, Options options);

  const Backend& backend() const { return *backend_; }
  const Options& options() const { return options_; }
  /// The same with another budget.
  Workspace with_budget(std::uint64_t budget_bytes) const;

  /// The same with another limit on a device with its own memory.
  Workspace with_device_room(std::uint64_t bytes) const;

  /// The same for another backend's device: without what belongs to the first one's.
  Workspace on(const Backend& backend) const;

  /// The same with a known base.
  Workspace with_base(std::uint64_t base_bytes) const;

  /// The same with prices for a computation in `dtype` with this share of the weights cached.
  Workspace with_prices(DType dtype, double cached_share) const;

  /// For a session created now that runs once: its weights are streamed.
  SessionOptions for_one_run(const OtherMemory& beside = {}) const;
  /// For one that runs many times: weights stay if memory is left.
  SessionOptions for_many_runs(const OtherMemory& beside = {}) const;
  /// A prediction of what for_one_run() and for_many_runs() will return when the stage's turn
  /// comes.
  SessionOptions planned(bool keep_weights, const OtherMemory& beside) const;

  /// Memory for the places of a session created now: the budget minus what the process holds and
  /// will hold besides them.
  std::uint64_t left_bytes(const OtherMemory& beside = {}) const;
  /// What the process may hold in total, according to the meter now; nullopt without a meter.
  std::optional<MemoryRoom> room() const;

 private:
  SessionOptions session(bool keep_weights, std::uint64_t left_bytes) const;

  const Backend* backend_;
  Options options_;
};

/// Predicts what the process will hold at the peak of a run besides the run's places and values:
/// what it holds now, plus a session's code and tables. Returns free heap memory to the system.
std::uint64_t planned_base();

/// The part of planned_base() that a session with only this many generated kernels does not use.
std::uint64_t spare_base(int generated_kernels);

/// What a budget leaves after planned_base().
std::uint64_t room_in(std::uint64_t budget_bytes);

}  // namespace semblance
