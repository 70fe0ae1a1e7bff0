// What the system refuses, as errors.
#pragma once

#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "core/error.h"

namespace semblance {

/// The kind of a system call's errno: memory for ENOMEM, else device.
ErrorKind kind_of(int system_error);

/// The second line of an error about a thread that cannot be made: what limits their number.
std::string thread_limits();

[[noreturn]] void fail_to_start(std::string_view what, const std::system_error& error);

/// A thread that runs `body`. Throws Error(kDevice), or Error(kMemory) where that is the system's
/// reason: "cannot start a thread `what`: ..."; `what` is like "that reads weights".
template <typename Thread = std::thread, typename F>
Thread start_thread(std::string_view what, F&& body) {
  try {
    return Thread(std::forward<F>(body));
  } catch (const std::system_error& error) {
    fail_to_start(what, error);
  }
}

}  // namespace semblance
