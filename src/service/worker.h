// The compute thread: one job after the other, since a picture takes all cores.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "service/board.h"
#include "service/engine.h"
#include "service/job_maker.h"
#include "service/store.h"
#include "service/tasks.h"

namespace semblance::service {

class Worker {
 public:
  /// Starts working. `between` is called before each job and between a job's steps.
  Worker(Engine& engine, Store& store, Board& board, Tasks& tasks, std::function<void()> between);
  /// The board must be stopping.
  ~Worker() { join(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  void work();
  bool work_once();
  std::optional<Job> take_next();
  void wait_for_work();
  void prune_when_due();
  void run_job(Job job);
  bool make(Job& job);
  void write_down(const Job& job);

  Engine& engine_;
  Store& store_;
  Board& board_;
  Tasks& tasks_;
  std::function<void()> between_;
  std::chrono::steady_clock::time_point prune_at_{};
  std::thread thread_;
};

}  // namespace semblance::service
