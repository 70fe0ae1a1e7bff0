// Finds the fastest program for a graph within a memory limit.
#pragma once

#include <optional>

#include "planner/plan.h"

namespace semblance {

/// The machine's transfer rates, in bytes per second unless stated otherwise.
struct Rates {
  double read = 1e9;        // weights from their files
  double pack = 4e9;        // packed bytes, from the file's bytes
  double add = 100e9;       // operations per second of what is added to weights
  double upload = 0;        // packed weights to a device's own memory; 0: packed in place
  double file_write = 1e9;  // the scratch file
  double file_read = 1e9;
};

struct FitOptions {
  std::uint64_t memory_bytes = ~std::uint64_t{0};  // Plan::memory_bytes()
  /// If the places are in a device's own memory: the limit for Plan::host_bytes(), and
  /// `memory_bytes` is the one for Plan::places_bytes(). All memory below is the latter's.
  std::optional<std::uint64_t> host_bytes = {};
  bool may_spill = true;
  std::uint64_t file_bytes = ~std::uint64_t{0};  // limit for the scratch file
  bool keep_weights = false;  // keep weights in spare memory, for graphs that run many times
  /// Inputs that stay the same from run to run: what depends on them alone is kept, where that is
  /// faster.
  std::vector<std::string> steady_inputs = {};
  std::uint64_t slab_bytes = 0;  // Plan::slab_bytes
  Rates rates;
};

/// Fits one graph to several budgets. Remembers what it learnt from earlier budgets, at the cost of
/// a few numbers.
class Fitter {
 public:
  /// The graph must outlive this. Ignores the options' memory_bytes.
  Fitter(const Graph& graph, NeedsOf needs, const FitOptions& options);

  /// The fastest program that fits, or nullopt. Deterministic. If a program fits a budget, one fits
  /// every larger budget.
  std::optional<Program> fit(std::uint64_t memory_bytes);
  /// Whether fit() would succeed; cheaper than calling it.
  bool fits(std::uint64_t memory_bytes);
  /// The least memory_bytes for which fit() succeeds.
  std::uint64_t least_memory();
  /// How the last program of fit() was made.
  const PlanLog& log() const { return log_; }

 private:
  struct Candidate;
  /// What a candidate needs: at least `bytes`, and exactly that if `exact`.
  struct Need {
    std::uint64_t bytes = 0;
    bool exact = false;
  };
  enum class Prefer : std::uint8_t { kLeastSpilling, kLeastMemory };

  std::optional<Candidate> explore(std::size_t rung, std::uint64_t most_bytes, Prefer prefer,
                                   PlanLog* log = nullptr);
  std::optional<Program> program(std::size_t rung, std::uint64_t memory_bytes, PlanLog& log);
  std::uint64_t least_known() const;

  const Graph& graph_;
  NeedsOf needs_;
  FitOptions options_;
  std::vector<std::vector<Need>> known_;  // by rung, by amount of spilling
  PlanLog log_;
};

/// The same for a single budget, options.memory_bytes.
std::optional<Program> fit(const Graph& graph, const NeedsOf& needs, const FitOptions& options);
std::uint64_t least_memory(const Graph& graph, const NeedsOf& needs, const FitOptions& options);

/// Seconds of a run, and how many of them it waits for background reads and writes.
struct RunSeconds {
  double all = 0;
  double waiting = 0;
};
RunSeconds predict(const Graph& graph, const std::vector<NodeNeeds>& needs, const Plan& plan,
                   const Rates& rates);

}  // namespace semblance
