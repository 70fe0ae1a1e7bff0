// The time that the service has lived through, by which results and keys age: a wall clock that
// jumps (dead battery, wrong time zone, restored machine) must not delete anyone's pictures.
//
// While the service runs, the steady clock counts. The time between two runs is taken from the wall
// clock, but at most kMostOff of it: a night off counts in full, a month off as one day.
// Thread-safe.
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

  /// As kept on disk: the lived time and the wall clock's time then.
  struct Kept {
    Duration lived{0};
    Time wall = {};
  };

  /// The lived time at the start of the next run; 0 for impossible values.
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
