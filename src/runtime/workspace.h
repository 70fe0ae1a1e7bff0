// What the stages of a run share: the backend, the memory budget, the scratch folder, what is known
// of the machine. A cheap handle; const use is thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "memory/memory_room.h"
#include "memory/meter.h"
#include "runtime/session.h"

namespace semblance {

class Workspace {
 public:
  struct Options {
    /// What the whole process may hold. Absent: no limit, and nothing is spilled.
    std::optional<std::uint64_t> budget_bytes = {};
    /// In place of what is left of the budget: what each session may take for its places. For tests
    /// and benches.
    std::optional<std::uint64_t> places_bytes = {};
    /// Where the machine's memory is read before each stage and each step: what there is limits
    /// them as a smaller budget would. Absent: it is not looked at.
    std::optional<Meter> meter = {};
    bool may_spill = true;
    std::filesystem::path scratch_folder = {};  // empty: chosen when first needed
    SecondsOf seconds = {};
    Rates rates = {};
    Trace* trace = nullptr;
  };

  /// No limit. Implicit: where a backend alone is given, that is meant.
  Workspace(const Backend& backend);
  Workspace(const Backend& backend, Options options);

  const Backend& backend() const { return *backend_; }
  const Options& options() const { return options_; }
  /// The same with another budget.
  Workspace with_budget(std::uint64_t budget_bytes) const;

  /// For a session made now whose graph runs once: its weights are streamed.
  SessionOptions once() const;
  /// For one that runs many times: weights stay where there is memory left.
  SessionOptions many() const;

  /// What a session made now may take for its places: the budget less what the process holds and
  /// will hold beside them.
  std::uint64_t left_bytes() const;
  /// What the process may hold in all, as the meter says now; nothing without a meter.
  std::optional<MemoryRoom> room() const;

 private:
  SessionOptions session(bool keep_weights) const;

  const Backend* backend_;
  Options options_;
};

}  // namespace semblance
