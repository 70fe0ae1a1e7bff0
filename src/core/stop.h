// How long work hears that it should stop: it asks between two pieces of a tenth of a second or
// less.
#pragma once

#include <functional>
#include <stop_token>
#include <utility>

#include "core/error.h"

namespace semblance {

/// Throws Error(kCancelled) once stop was asked for.
inline void check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) fail(ErrorKind::kCancelled, "cancelled");
}

/// The same as a function, for those who may be stopped by more than a token.
inline std::function<void()> stop_check(std::stop_token stop) {
  return [stop = std::move(stop)] { check_stop(stop); };
}

}  // namespace semblance
