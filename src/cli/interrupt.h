// ctrl-C, SIGTERM and SIGHUP end the program within a second and leave nothing half written.
//
// The first signal asks the work to stop; if the program has not ended 0.1 seconds later, or a
// second signal comes, unfinished output files are removed and the process exits with 130.
#pragma once

#include <stop_token>
#include <string>

namespace semblance::cli {

class Interrupt {
 public:
  /// Takes the signals of the process; one at a time. Must be made before other threads are, so
  /// that none of them is chosen for the signal.
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const;
  /// Throws Error(kCancelled) when a signal came.
  void check() const;
  /// What is told, too, when the process has to be ended in the middle of its work: how to go on.
  void tell_at_end(std::string text);
};

}  // namespace semblance::cli
