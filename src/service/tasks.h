// Other threads' work on the models (looking at a photo). The compute thread does it between two
// steps of the running job if the memory allows, otherwise after the job.
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

  /// Runs `work` on the compute thread and returns after it. Throws what it throws, HttpError(499)
  /// once the client has left, HttpError(503) if the service is shutting down.
  void have_done(const std::function<bool()>& client_left,
                 std::function<void(std::stop_token)> work);

  // For the compute thread:
  /// Runs the waiting tasks; false if there were none.
  bool run();
  /// Call with the board's mutex.
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
  /// Runs the task; true if it must be repeated after the job.
  static bool runs_out_of_memory(Task& task);

  Board& board_;
  std::deque<std::shared_ptr<Task>> waiting_;  // guarded by the board's mutex
};

}  // namespace semblance::service
