#include "service/histogram.h"

#include <fmt/core.h>

#include <algorithm>

namespace semblance::service {

void Histogram::add(double seconds) {
  const auto bucket = std::ranges::lower_bound(bounds_, seconds) - bounds_.begin();
  if (bucket < std::ssize(counts_)) ++counts_[static_cast<std::size_t>(bucket)];
  ++count_;
  sum_ += seconds;
}

std::string Histogram::text(std::string_view name, std::string_view labels) const {
  std::string out;
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < bounds_.size(); ++i) {
    so_far += counts_[i];
    out += fmt::format("{}_bucket{{{},le=\"{}\"}} {}\n", name, labels, bounds_[i], so_far);
  }
  out += fmt::format("{}_bucket{{{},le=\"+Inf\"}} {}\n", name, labels, count_);
  out += fmt::format("{0}_sum{{{1}}} {2}\n{0}_count{{{1}}} {3}\n", name, labels, sum_, count_);
  return out;
}

}  // namespace semblance::service
