// The time that the service has lived through, by which results and keys age: a wall clock that
// jumps (a dead battery, a wrong zone, a restored machine) must not delete anybody's pictures.
//
// While the service runs, the steady clock counts. Of the time between two runs the wall clock
// tells, but at most kMostOff of it is believed: a service that is off overnight ages as one that
// runs on, and after a month off its results are one day older. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>

#include "service/job.h"

namespace semblance::service {

class LivedTime {
 public:
  using Duration = std::chrono::milliseconds;
  static constexpr Duration kMostOff = std::chrono::hours(24);
  static constexpr Duration kMost{kMostTimeMs};

  /// What was kept on disk: how much there was at which time on the wall.
  struct Kept {
    Duration lived{0};
    Time wall = {};
  };

  /// How much there is at the start of the next run. Figures that no run can have kept are 0.
  static Duration after(const Kept& kept, Time wall_now);

  explicit LivedTime(Duration at_start) : at_start_(at_start) {}
  Duration now() const {
    return at_start_ + std::chrono::duration_cast<Duration>(Clock::now() - begin_);
  }

 private:
  using Clock = std::chrono::steady_clock;
  Duration at_start_;
  Clock::time_point begin_ = Clock::now();
};

}  // namespace semblance::service
