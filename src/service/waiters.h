// Which jobs have a client waiting, and which were left by their clients. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace semblance::service {

class Waiters {
 public:
  using Clock = std::chrono::steady_clock;

  /// A client waits for the job.
  void begin(const std::string& id);
  /// The client no longer waits.
  void end(const std::string& id);
  bool any(const std::string& id) const;

  /// The clients have left: the job is due for cancelling at `when`, unless a client comes back.
  void leave(const std::string& id, Clock::time_point when);
  void take_back(const std::string& id);
  /// The jobs that are due; each is returned once.
  std::vector<std::string> take_due(Clock::time_point now);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, int> clients_;
  std::map<std::string, Clock::time_point> left_;
};

}  // namespace semblance::service
