// What the HTTP layer has done since the start, for /metrics. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "service/histogram.h"
#include "service/http.h"

namespace semblance::service {

class HttpStats {
 public:
  std::atomic<std::uint64_t> requests = 0;
  std::atomic<std::uint64_t> responses_4xx = 0;
  std::atomic<std::uint64_t> responses_5xx = 0;

  /// A request is over. `route`: null if it has none; all such requests are counted together, so
  /// that the number of lines does not depend on what clients send.
  void took(const Router::Route* route, double seconds);
  /// The histograms of all routes that had requests.
  std::string seconds_text(std::string_view name) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Histogram> seconds_;  // by labels
};

}  // namespace semblance::service
