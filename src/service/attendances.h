// Who waits for which job, and which jobs their clients have left. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace semblance::service {

class Attendances {
 public:
  using Clock = std::chrono::steady_clock;

  /// A client waits for the job.
  void begin(const std::string& id);
  /// It does so no more.
  void end(const std::string& id);
  bool any(const std::string& id) const;

  /// Nobody waits for the job: it is due at `when`, unless a client comes meanwhile.
  void leave(const std::string& id, Clock::time_point when);
  void take_back(const std::string& id);
  /// The jobs that are due, each once.
  std::vector<std::string> take_due(Clock::time_point now);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, int> clients_;
  std::map<std::string, Clock::time_point> left_;
};

}  // namespace semblance::service
