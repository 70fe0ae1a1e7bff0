// ctrl-C, SIGTERM and SIGHUP end the program within a second and leave no half-written files.
//
// The first signal requests a stop. If the program has not ended 0.1 seconds later, or a second
// signal arrives, unfinished output files are removed and the process exits with 130.
#pragma once

#include <stop_token>
#include <string>

namespace semblance::cli {

class Interrupt {
 public:
  /// Handles the process's signals; only one instance at a time. Must be created before other
  /// threads, so that none of them receives the signals.
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const;
  /// Throws Error(kCancelled) after a signal.
  void check() const;
  /// Text printed in addition when the process must be ended in the middle of its work: how to
  /// resume.
  void tell_at_end(std::string text);
};

}  // namespace semblance::cli
