#include "service/lived_time.h"

#include <algorithm>

namespace semblance::service {

LivedTime::Duration LivedTime::after(const Kept& kept, Time wall_now) {
  if (kept.lived < Duration(0) || kept.lived > kMost) return Duration(0);
  const auto off = std::chrono::duration_cast<Duration>(wall_now - kept.wall);
  return kept.lived + std::clamp(off, Duration(0), kMostOff);
}

}  // namespace semblance::service
