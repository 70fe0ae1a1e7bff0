// How long to wait for a failing device: twice as long after each try, up to a total.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace semblance::service {

struct PatienceOptions {
  std::chrono::milliseconds first{1000};  // before the second try
  std::chrono::milliseconds longest = std::chrono::minutes(1);
  std::chrono::milliseconds in_all = std::chrono::minutes(5);  // total without a success
};

class Patience {
 public:
  explicit Patience(const PatienceOptions& options) : options_(options) {}

  /// After a failed try: how long to wait before the next one; nothing to give up.
  std::optional<std::chrono::milliseconds> next() {
    ++tries_;
    if (waited_ >= options_.in_all) return std::nullopt;
    const auto wait = std::min(next_, options_.in_all - waited_);
    waited_ += wait;
    next_ = std::min(2 * next_, options_.longest);
    return wait;
  }
  /// Failed tries since reset().
  int tries() const { return tries_; }
  /// Call after a success.
  void reset() { *this = Patience(options_); }

 private:
  PatienceOptions options_;
  std::chrono::milliseconds next_ = options_.first, waited_{0};
  int tries_ = 0;
};

}  // namespace semblance::service
