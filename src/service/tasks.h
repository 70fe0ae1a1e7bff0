// What other threads need of the models meanwhile (a look at a photo): done by the thread that
// computes, between two steps of the job that runs where it fits beside it, and else after it.
#pragma once

#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <stop_token>

#include "service/board.h"

namespace semblance::service {

class Tasks {
 public:
  explicit Tasks(Board& board) : board_(board) {}

  /// Has `work` done by the thread that computes, and returns after it. Throws what it throws,
  /// HttpError(499) once the client has left, HttpError(503) where the service ends.
  void have_done(const std::function<bool()>& client_left,
                 std::function<void(std::stop_token)> work);

  // For the thread that computes:
  /// Does what waits, and tells whether there was something.
  bool run();
  /// With the board's mutex.
  bool empty() const { return waiting_.empty(); }
  void request_stop();

 private:
  struct Task {
    std::function<void(std::stop_token)> work;
    std::stop_source stop;
    std::exception_ptr error;
    bool done = false;
    bool after_the_job = false;
  };
  /// True where it is to be done again after the job.
  static bool runs_out_of_memory(Task& task);

  Board& board_;
  std::deque<std::shared_ptr<Task>> waiting_;  // guarded by the board's mutex
};

}  // namespace semblance::service
