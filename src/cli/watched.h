// Watches memory while pictures are made.
#pragma once

#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "cli/progress.h"
#include "core/messages.h"
#include "memory/budget.h"
#include "memory/buffer.h"
#include "memory/memory_room.h"
#include "memory/memory_watch.h"
#include "runtime/trace.h"

namespace semblance::cli {

/// Warns when less memory is available than the run still needs. Warns again only after memory was
/// sufficient in between.
class LowMemory {
 public:
  void check(std::uint64_t planned_bytes, Progress& progress) {
    const auto lack = memory_lack(meter_.machine(), meter_.process(), planned_bytes);
    if (lack && !is_low_) {
      progress.warn(text_of(Message::kMemoryLow, bytes_text(lack->available_bytes),
                            bytes_text(lack->needed_bytes)));
    }
    is_low_ = lack.has_value();
  }

 private:
  Meter meter_;
  bool is_low_ = false;
};

/// Watches memory during the run, for the progress line and the timeline.
class Watched {
 public:
  /// `trace`: path of the timeline, or empty.
  explicit Watched(std::filesystem::path trace) : path_(std::move(trace)) {
    if (!path_.empty()) trace_.emplace(std::size_t{1} << 14);
    watch_.emplace(Meter(), std::chrono::milliseconds(100), [this](const MemorySample& sample) {
      if (trace_) count(sample);
    });
  }

  Trace* trace() { return trace_ ? &*trace_ : nullptr; }
  /// "memory 201 MiB, 22000 MiB available".
  std::string text() const {
    const MemorySample now = watch_->last();
    return text_of(Message::kBesideSteps, bytes_text(now.resident_bytes),
                   bytes_text(now.available_bytes));
  }
  void write() {
    watch_.reset();
    if (trace_) trace_->write(path_);
  }

 private:
  /// Adds resident memory, and our own memory by tag where it has changed.
  void count(const MemorySample& sample) {
    trace_->count("resident", sample.resident_bytes);
    for (const TagReport& report : tag_report()) {
      std::uint64_t& last = tag_bytes_[static_cast<std::size_t>(report.tag)];
      if (std::exchange(last, report.count.bytes) != report.count.bytes)
        trace_->count(name_of(report.tag), report.count.bytes);
    }
  }

  std::filesystem::path path_;
  std::optional<Trace> trace_;
  std::array<std::uint64_t, kTagCount> tag_bytes_{};
  std::optional<MemoryWatch> watch_;
};

}  // namespace semblance::cli
