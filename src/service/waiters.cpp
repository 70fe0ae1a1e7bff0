#include "service/waiters.h"

namespace semblance::service {

void Waiters::begin(const std::string& id) {
  const std::lock_guard guard(mutex_);
  ++clients_[id];
  left_.erase(id);
}

void Waiters::end(const std::string& id) {
  const std::lock_guard guard(mutex_);
  if (--clients_[id] == 0) clients_.erase(id);
}

bool Waiters::any(const std::string& id) const {
  const std::lock_guard guard(mutex_);
  return clients_.contains(id);
}

void Waiters::leave(const std::string& id, Clock::time_point when) {
  const std::lock_guard guard(mutex_);
  if (!clients_.contains(id)) left_[id] = when;
}

void Waiters::take_back(const std::string& id) {
  const std::lock_guard guard(mutex_);
  left_.erase(id);
}

std::vector<std::string> Waiters::take_due(Clock::time_point now) {
  const std::lock_guard guard(mutex_);
  std::vector<std::string> ids;
  std::erase_if(left_, [&](const auto& entry) {
    if (entry.second > now) return false;
    ids.push_back(entry.first);
    return true;
  });
  return ids;
}

}  // namespace semblance::service
