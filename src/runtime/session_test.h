// Shared by tests of sessions.
#pragma once

#include "runtime/session.h"

namespace semblance::testing {

/// Options of a session that keeps its weights in memory, or streams them before every use.
inline SessionOptions keeping(bool keeps) {
  SessionOptions options;
  options.fit.keep_weights = keeps;
  return options;
}

}  // namespace semblance::testing
