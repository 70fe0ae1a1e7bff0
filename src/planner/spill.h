// Moves values that are idle for a while to the scratch file.
#pragma once

#include <memory>

#include "planner/plan.h"

namespace semblance {

/// Chooses what to spill: at the arena's peak, the values with the longest idle times, as few as
/// reach a target. What a single node needs cannot be spilled.
class Spilling {
 public:
  /// Both must outlive this.
  Spilling(const Lowered& program, const std::vector<NodeNeeds>& needs);
  ~Spilling();

  /// The most arena bytes in use at once, given the choices made so far.
  std::uint64_t peak_bytes() const;
  /// Chooses until the peak is at most the target or nothing more helps. Targets must only go down.
  void bring_down_to(std::uint64_t target_bytes);

  std::size_t chosen() const;
  /// The program with the first `chosen` choices applied: Spill and Fetch nodes around idle times.
  Lowered program(std::size_t chosen) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// The program spilled down to a target.
Lowered spill(const Lowered& program, const std::vector<NodeNeeds>& needs,
              std::uint64_t target_bytes);

}  // namespace semblance
