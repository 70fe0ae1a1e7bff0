// What the stages of a run share: the backend, the memory budget, the scratch folder, what is known
// of the machine. A cheap handle; const use is thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "memory/memory_room.h"
#include "memory/meter.h"
#include "runtime/machine_facts.h"
#include "runtime/session.h"

namespace semblance {

/// What of ours lies in memory beside a session's places: a stage tells it to the plan and to the
/// run in the same words.
struct HeldBeside {
  std::uint64_t kept_bytes = 0;      // held already, and held while it runs
  std::uint64_t released_bytes = 0;  // held already, let go of before it runs
  std::uint64_t added_bytes = 0;     // that come while the places are in use: copies of results
};

class Workspace {
 public:
  struct Options {
    /// What the whole process may hold. Absent: no limit, and nothing is spilled.
    std::optional<std::uint64_t> budget_bytes = {};
    /// What of it the process' base takes, where a plan has said so (planned_base()). A session
    /// takes what it leaves, and less where the process has grown beyond it.
    std::optional<std::uint64_t> base_bytes = {};
    /// In place of what is left of the budget: what each session may take for its places. For tests
    /// and benches.
    std::optional<std::uint64_t> places_bytes = {};
    /// Where the machine's memory is read before each stage and each step: what there is limits
    /// them as a smaller budget would. Absent: it is not looked at.
    std::optional<Meter> meter = {};
    bool may_spill = true;
    std::filesystem::path scratch_folder = {};  // empty: chosen when first needed
    /// Absent: times are a rough guess.
    std::shared_ptr<const MachineFacts> facts = {};
    DType dtype = DType::kF32;  // that most is computed in
    /// Of the weights, how much the system's page cache holds already.
    double cached_share = 1;
    Trace* trace = nullptr;
  };

  /// No limit. Implicit: where a backend alone is given, that is meant.
  Workspace(const Backend& backend);
  Workspace(const Backend& backend, Options options);

  const Backend& backend() const { return *backend_; }
  const Options& options() const { return options_; }
  /// The same with another budget.
  Workspace with_budget(std::uint64_t budget_bytes) const;

  /// The same where the base is known.
  Workspace with_base(std::uint64_t base_bytes) const;

  /// The same with the prices of a computation in `dtype` whose weights are cached so far.
  Workspace with_prices(DType dtype, double cached_share) const;

  /// For a session made now whose graph runs once: its weights are streamed.
  SessionOptions once(const HeldBeside& beside = {}) const;
  /// For one that runs many times: weights stay where there is memory left.
  SessionOptions many(const HeldBeside& beside = {}) const;
  /// What once() and many() will give at the stage's turn, as far as can be told before.
  SessionOptions planned(bool keep_weights, const HeldBeside& beside) const;

  /// What a session made now may take for its places: the budget less what the process holds and
  /// will hold beside them.
  std::uint64_t left_bytes(const HeldBeside& beside = {}) const;
  /// What the process may hold in all, as the meter says now; nothing without a meter.
  std::optional<MemoryRoom> room() const;

 private:
  SessionOptions session(bool keep_weights, std::uint64_t left_bytes) const;

  const Backend* backend_;
  Options options_;
};

/// What the process will hold at the peak of a run beside the run's places and values, as far as
/// can be told now: what it holds, and what a session adds by its code and tables. Gives back what
/// lies free in the heap.
std::uint64_t planned_base();

/// What of it a session of so many kernels of generated code does not come to.
std::uint64_t spare_base(int generated_kernels);

/// What a budget leaves beside planned_base().
std::uint64_t room_in(std::uint64_t budget_bytes);

}  // namespace semblance
