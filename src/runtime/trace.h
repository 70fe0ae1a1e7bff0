// A timeline of a run in Chrome's trace format (chrome://tracing, ui.perfetto.dev): when it
// computes, reads and spills, and how much memory is resident.
//
// Every row has a buffer of fixed size, allocated by the constructor. Adding allocates nothing and
// is thread-safe. Events that do not fit are counted and dropped. Where a trace is optional, it is
// a pointer that may be null.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "memory/buffer.h"

namespace semblance {

enum class TraceRow : std::uint8_t { kCompute, kReader, kMover, kMemory };
inline constexpr int kTraceRows = 4;
inline constexpr int kTraceLanes = 16;

class Trace {
 public:
  static constexpr std::size_t kEventsPerRow = 1 << 16;
  static constexpr std::size_t kNameBytes = 64;  // longer names keep their end

  /// Time 0 of the timeline is now. Takes 96 bytes per event and row, which become resident as they
  /// are used. Throws Error(kMemory).
  explicit Trace(std::size_t events_per_row = kEventsPerRow);

  /// Seconds on the clock that all rows use.
  static double now();

  /// Adds an event from `begin` to `end`, in seconds of now(), that worked on `bytes` bytes. Events
  /// that overlap in a row need different lanes, which are drawn separately.
  void add(TraceRow row, std::string_view name, double begin, double end, std::uint64_t bytes = 0,
           int lane = 0);
  /// Sets a counter's value from now on: ("resident", bytes).
  void count(std::string_view name, std::uint64_t value);

  /// Events dropped because their row was full.
  std::uint64_t dropped() const;

  /// The timeline as JSON. Nothing may be added at the same time.
  std::string to_json() const;
  /// Writes to_json(); throws as OutputFile does.
  void write(const std::filesystem::path& path) const;

 private:
  struct Event {
    double begin;
    double end;
    std::uint32_t lane;
    std::uint32_t reserved;
    std::uint64_t value;
    std::array<char, kNameBytes> name;
  };
  struct Row {
    Buffer events;
    std::atomic<std::size_t> used{0};  // beyond the capacity: dropped events
  };

  double start_;
  std::size_t capacity_;
  std::array<Row, kTraceRows> rows_;
};

}  // namespace semblance
