// Errors for requests that the system refuses.
#pragma once

#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "core/error.h"

namespace semblance {

/// The kind for a system call's errno: kMemory for ENOMEM, else kDevice.
ErrorKind kind_of(int system_error);

/// The second line of an error about a thread that cannot be started: the limits on their number.
std::string thread_limits();

[[noreturn]] void fail_to_start(std::string_view what, const std::system_error& error);

/// Starts a thread that runs `body`. Throws Error(kDevice), or Error(kMemory) if memory is the
/// reason: "cannot start a thread `what`: ...", with `what` as in "that reads weights".
template <typename Thread = std::thread, typename F>
Thread start_thread(std::string_view what, F&& body) {
  try {
    return Thread(std::forward<F>(body));
  } catch (const std::system_error& error) {
    fail_to_start(what, error);
  }
}

}  // namespace semblance
