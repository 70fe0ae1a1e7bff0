// Parks values that are not needed for a while in the scratch file.
#pragma once

#include <memory>

#include "planner/plan.h"

namespace semblance {

/// The ways to spill a program: around the longest idle times of values, where the arena would need
/// the most, as few as reach a target. What a node itself needs at once cannot be parked.
class Spilling {
 public:
  /// Both must outlive this.
  Spilling(const Lowered& program, const std::vector<NodeNeeds>& needs);
  ~Spilling();

  /// Bytes of the arena that are in use at once where the most are, after bring_down_to().
  std::uint64_t peak_bytes() const;
  /// Chooses until the peak is at the target, or nothing helps. Targets only go down.
  void bring_down_to(std::uint64_t target_bytes);

  std::size_t chosen() const;
  /// The program with the first `chosen` choices made: Spill and Fetch nodes around idle times.
  Lowered program(std::size_t chosen) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// The program spilled down to a target.
Lowered spill(const Lowered& program, const std::vector<NodeNeeds>& needs,
              std::uint64_t target_bytes);

}  // namespace semblance
