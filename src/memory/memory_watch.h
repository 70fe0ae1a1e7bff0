// Memory over time: what a run used, and how much was still available.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

#include "memory/meter.h"

namespace semblance {

struct MemorySample {
  std::chrono::steady_clock::time_point when;
  std::uint64_t resident_bytes = 0;
  std::uint64_t available_bytes = 0;
};

/// Samples resident and available memory periodically in its own thread, which does not allocate; a
/// sample takes some tens of microseconds. Functions are thread-safe.
class MemoryWatch {
 public:
  /// `on_sample` runs in the watch's thread and must not throw.
  explicit MemoryWatch(Meter meter = Meter(),
                       std::chrono::milliseconds interval = std::chrono::milliseconds(100),
                       std::function<void(const MemorySample&)> on_sample = {});
  /// Ends at once, without waiting for the interval.
  ~MemoryWatch() = default;
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  /// The first sample is taken before the constructor returns.
  MemorySample last() const;
  /// The peak of resident memory since the watch began: exact if the process's own peak rose
  /// meanwhile, else the largest sample.
  std::uint64_t peak_bytes() const;
  std::uint64_t least_available_bytes() const;

 private:
  void sample();
  void run(const std::stop_token& stop);

  Meter meter_;
  std::chrono::milliseconds interval_;
  std::function<void(const MemorySample&)> on_sample_;
  std::uint64_t first_system_peak_ = 0;
  mutable std::mutex mutex_;
  MemorySample last_;
  std::uint64_t peak_bytes_ = 0;
  std::uint64_t least_available_bytes_ = 0;
  std::jthread thread_;  // last, so that it ends before the members it uses
};

}  // namespace semblance
