// Runs a function in a child process, so that a crash in it does not end this one.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace semblance {

struct ChildEnd {
  std::string output;      // what it wrote, at most 1 MiB
  bool timed_out = false;  // it was killed
  int signal = 0;          // that ended it; 0 if it ended by itself
  int exit_code = 0;
};

/// Runs work(write) in a forked copy of this process; write(line) sends a line to `output`. The
/// child has only the calling thread, its standard streams go nowhere, and its exit handlers do not
/// run. Kills it after `patience`. Throws Error(kDevice) if the system has no process or pipe left.
ChildEnd run_child(
    const std::function<void(const std::function<void(const std::string&)>& write)>& work,
    std::chrono::milliseconds patience);

}  // namespace semblance
