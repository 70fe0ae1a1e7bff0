#include "service/http_stats.h"

#include <fmt/core.h>

#include <array>

namespace semblance::service {
namespace {

/// From a static file to a client that waits for its picture.
constexpr std::array<double, 9> kRequestBounds{0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120, 600};

}  // namespace

void HttpStats::took(const Router::Route* route, double seconds) {
  const std::string labels =
      route == nullptr ? "route=\"other\""
                       : fmt::format("method=\"{}\",route=\"{}\"", route->method, route->pattern());
  const std::lock_guard guard(mutex_);
  seconds_.try_emplace(labels, kRequestBounds).first->second.add(seconds);
}

std::string HttpStats::seconds_text(std::string_view name) const {
  const std::lock_guard guard(mutex_);
  std::string out;
  for (const auto& [labels, seconds] : seconds_) out += seconds.text(name, labels);
  return out;
}

}  // namespace semblance::service
