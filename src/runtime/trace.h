// A timeline of a run, in Chrome's trace format (chrome://tracing, ui.perfetto.dev): what computes,
// reads and spills when, and how much memory is resident.
//
// Every row has a buffer of fixed size, taken when the Trace is made; adding allocates nothing and
// is thread-safe. What does not fit any more is counted and left out. Whoever may do without a
// trace holds a pointer that is null.
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
  static constexpr std::size_t kNameBytes = 64;  // names are cut to it, the end is kept

  /// Time 0 of the timeline is now. Throws Error(kMemory); takes 96 bytes an event and row, which
  /// become resident as they are used.
  explicit Trace(std::size_t events_per_row = kEventsPerRow);

  /// Seconds of the clock that all rows use.
  static double now();

  /// Something that lasted from `begin` to `end`, of now(), and worked on so many bytes. What runs
  /// at the same time in one row has different lanes, drawn apart.
  void add(TraceRow row, std::string_view name, double begin, double end, std::uint64_t bytes = 0,
           int lane = 0);
  /// A counter's value from now on ("resident", bytes).
  void count(std::string_view name, std::uint64_t value);

  /// Events that found their row full.
  std::uint64_t dropped() const;

  /// The timeline as JSON. Nothing may be added meanwhile.
  std::string to_json() const;
  /// Writes it; throws as OutputFile does.
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
    std::atomic<std::size_t> used{0};  // may run past the capacity: what was dropped
  };

  double start_;
  std::size_t capacity_;
  std::array<Row, kTraceRows> rows_;
};

}  // namespace semblance
