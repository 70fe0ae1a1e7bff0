#include "memory/memory_watch.h"

#include <signal.h>

#include <algorithm>
#include <condition_variable>

#include "core/refusal.h"

namespace semblance {

MemoryWatch::MemoryWatch(Meter meter, std::chrono::milliseconds interval,
                         std::function<void(const MemorySample&)> on_sample)
    : meter_(std::move(meter)), interval_(interval), on_sample_(std::move(on_sample)) {
  const ProcessMemory process = meter_.process();
  first_system_peak_ = process.peak_resident_bytes;
  last_ = {std::chrono::steady_clock::now(), process.resident_bytes, meter_.available_bytes()};
  peak_bytes_ = last_.resident_bytes;
  least_available_bytes_ = last_.available_bytes;
  // Signals are for the program's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  try {
    thread_ = start_thread<std::jthread>("that watches memory",
                                         [this](const std::stop_token& stop) { run(stop); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void MemoryWatch::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wakes;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    wakes.wait_for(lock, stop, interval_, [] { return false; });
    sample();  // once more at the end
  }
}

void MemoryWatch::sample() {
  const auto process = meter_.try_process();
  const auto available = meter_.try_available();
  if (!process || !available) return;  // keep the last sample
  const MemorySample now{std::chrono::steady_clock::now(), process->resident_bytes, *available};
  {
    const std::lock_guard lock(mutex_);
    last_ = now;
    peak_bytes_ = std::max(peak_bytes_, now.resident_bytes);
    if (process->peak_resident_bytes > first_system_peak_)
      peak_bytes_ = std::max(peak_bytes_, process->peak_resident_bytes);
    least_available_bytes_ = std::min(least_available_bytes_, now.available_bytes);
  }
  if (on_sample_) on_sample_(now);
}

MemorySample MemoryWatch::last() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

std::uint64_t MemoryWatch::peak_bytes() const {
  const auto process = meter_.try_process();
  const std::lock_guard lock(mutex_);
  const bool is_passed = process && process->peak_resident_bytes > first_system_peak_;
  return is_passed ? std::max(peak_bytes_, process->peak_resident_bytes) : peak_bytes_;
}

std::uint64_t MemoryWatch::least_available_bytes() const {
  const std::lock_guard lock(mutex_);
  return least_available_bytes_;
}

}  // namespace semblance
