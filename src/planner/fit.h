// From a graph and a limit to the fastest program that keeps to it.
#pragma once

#include <optional>

#include "planner/plan.h"

namespace semblance {

/// What the machine moves, in bytes a second.
struct Rates {
  double read = 1e9;        // weights from their files
  double pack = 4e9;        // packed bytes, from the file's numbers
  double file_write = 1e9;  // the scratch file
  double file_read = 1e9;
};

struct FitOptions {
  std::uint64_t memory_bytes = ~std::uint64_t{0};  // for arena, ring and resident weights
  bool may_spill = true;
  std::uint64_t file_bytes = ~std::uint64_t{0};  // the most that the scratch file may take
  bool keep_weights = false;  // the graph runs many times: what memory is left holds weights
  Rates rates;
};

/// Asks for several budgets of one graph. What was found out for one is not looked for again; what
/// is held in between is a few numbers.
class Fitter {
 public:
  /// The graph must outlive this. The options' memory_bytes is not looked at.
  Fitter(const Graph& graph, NeedsOf needs, const FitOptions& options);

  /// The fastest program that fits, or nothing. The same result for the same arguments; what fits
  /// in some bytes fits in more.
  std::optional<Program> fit(std::uint64_t memory_bytes);
  /// Whether fit() would succeed; cheaper than calling it.
  bool fits(std::uint64_t memory_bytes);
  /// The least memory_bytes for which fit() gives a program.
  std::uint64_t least_memory();
  /// How the program that fit() last gave was made.
  const PlanLog& log() const { return log_; }

 private:
  struct Candidate;
  /// What a candidate needs: no less than `bytes`, and just that where `exact`.
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

/// The same for one budget, options.memory_bytes.
std::optional<Program> fit(const Graph& graph, const NeedsOf& needs, const FitOptions& options);
std::uint64_t least_memory(const Graph& graph, const NeedsOf& needs, const FitOptions& options);

/// Seconds of a run, and of which it waits for what is read and written behind it.
struct RunSeconds {
  double all = 0;
  double waiting = 0;
};
RunSeconds predict(const Graph& graph, const std::vector<NodeNeeds>& needs, const Plan& plan,
                   const Rates& rates);

}  // namespace semblance
