#include "service/tasks.h"

#include <algorithm>
#include <chrono>

#include "core/error.h"
#include "service/http.h"

namespace semblance::service {

void Tasks::have_done(const std::function<bool()>& client_left,
                      std::function<void(std::stop_token)> work) {
  const auto task = std::make_shared<Task>();
  task->work = std::move(work);
  board_.change([&] {
    if (board_.stopping) throw HttpError(503, "shutting_down", "the service is shutting down");
    waiting_.push_back(task);
  });
  std::unique_lock guard(board_.mutex);
  while (!task->done) {
    board_.wait_for(guard, std::chrono::milliseconds(200), [&] { return task->done; });
    if (task->done || !client_left()) continue;
    task->stop.request_stop();
    const auto place = std::find(waiting_.begin(), waiting_.end(), task);
    if (place == waiting_.end()) continue;  // running: it sees the stop request
    waiting_.erase(place);
    throw HttpError(499, "cancelled", "the client left");
  }
  if (task->error) std::rethrow_exception(task->error);
}

bool Tasks::runs_out_of_memory(Task& task) {
  try {
    task.work(task.stop.get_token());
  } catch (const Error& error) {
    task.error = std::current_exception();
    return error.kind() == ErrorKind::kMemory;
  } catch (...) {
    task.error = std::current_exception();
  }
  return false;
}

bool Tasks::run() {
  bool any = false;
  while (true) {
    std::shared_ptr<Task> task;
    {
      const std::lock_guard guard(board_.mutex);
      const auto next = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& one) {
        return !board_.running || !one->after_the_job;
      });
      if (next == waiting_.end()) return any;
      task = *next;
      waiting_.erase(next);
    }
    any = true;
    const bool later = runs_out_of_memory(*task);
    board_.change([&] {
      task->done = !later || !board_.running || board_.stopping;
      if (task->done) return;
      task->error = nullptr;
      task->after_the_job = true;
      waiting_.push_back(task);
    });
  }
}

void Tasks::request_stop() {
  for (const auto& task : waiting_) task->stop.request_stop();
}

}  // namespace semblance::service
