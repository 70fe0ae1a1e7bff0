// How long work hears that it should stop: it asks between two pieces of a tenth of a second or
// less.
#pragma once

#include <stop_token>

#include "core/error.h"

namespace semblance {

/// Throws Error(kCancelled) once stop was asked for.
inline void check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) fail(ErrorKind::kCancelled, "cancelled");
}

}  // namespace semblance
