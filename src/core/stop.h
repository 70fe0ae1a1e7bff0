// Cancelling long work: it checks between pieces that take a tenth of a second or less.
#pragma once

#include <functional>
#include <stop_token>
#include <utility>

#include "core/error.h"

namespace semblance {

/// Throws Error(kCancelled) once a stop has been requested.
inline void check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) fail(ErrorKind::kCancelled, "cancelled");
}

/// The same as a function, for callers that more than a token may stop.
inline std::function<void()> stop_check(std::stop_token stop) {
  return [stop = std::move(stop)] { check_stop(stop); };
}

}  // namespace semblance
