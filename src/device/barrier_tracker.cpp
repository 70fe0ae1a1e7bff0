#include "device/barrier_tracker.h"

#include <algorithm>

namespace semblance {
namespace {

bool conflict(const BarrierTracker::Use& a, const BarrierTracker::Use& b) {
  return b.place.bytes > 0 && (a.is_write || b.is_write) && a.place.region == b.place.region &&
         a.place.offset < b.place.offset + b.place.bytes &&
         b.place.offset < a.place.offset + a.place.bytes;
}

}  // namespace

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
