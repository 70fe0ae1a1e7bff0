#include "device/barrier_tracker.h"

#include <algorithm>

namespace semblance {
namespace {

bool conflict(const BarrierTracker::Use& a, const BarrierTracker::Use& b) {
  return (a.is_write || b.is_write) && overlap(a.place, b.place);
}

}  // namespace

bool overlap(const DevicePlace& a, const DevicePlace& b) {
  return a.bytes > 0 && b.bytes > 0 && a.region == b.region && a.offset < b.offset + b.bytes &&
         b.offset < a.offset + a.bytes;
}

bool BarrierTracker::add(std::span<const Use> uses) {
  const bool needs_barrier = std::any_of(uses.begin(), uses.end(), [&](const Use& use) {
    return std::any_of(uses_.begin(), uses_.end(),
                       [&](const Use& before) { return conflict(before, use); });
  });
  if (needs_barrier) uses_.clear();
  for (const Use& use : uses) {
    if (use.place.bytes > 0) uses_.push_back(use);
  }
  return needs_barrier;
}

void BarrierTracker::clear() { uses_.clear(); }

}  // namespace semblance
