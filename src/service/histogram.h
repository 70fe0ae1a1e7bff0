// How long things took, counted in fixed buckets, as Prometheus reads it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace semblance::service {

class Histogram {
 public:
  /// `bounds`: the buckets' upper bounds in seconds, ascending. They must outlive the histogram.
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds), counts_(bounds.size()) {}

  void add(double seconds);
  /// The lines NAME_bucket, NAME_sum and NAME_count. `labels`: such as state="done".
  std::string text(std::string_view name, std::string_view labels) const;

 private:
  std::span<const double> bounds_;
  std::vector<std::uint64_t> counts_;  // of each bucket alone
  std::uint64_t count_ = 0;            // of all, those above the last bound included
  double sum_ = 0;
};

}  // namespace semblance::service
