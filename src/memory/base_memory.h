// The memory that the process holds besides Buffers: code and libraries, the heap, code generated
// at run time, stacks. It counts against a plan's budget, so it is measured before a run and the
// run's additions are predicted. Linux: read from /proc.
#pragma once

#include <cstdint>
#include <mutex>

namespace semblance {

/// Resident bytes.
struct BaseMemory {
  std::uint64_t code_bytes = 0;       // unmodified file pages of the program and its libraries
  std::uint64_t copied_bytes = 0;     // modified ones: variables, relocations
  std::uint64_t heap_bytes = 0;       // all other anonymous pages outside Buffers
  std::uint64_t generated_bytes = 0;  // code generated at run time

  std::uint64_t total() const { return code_bytes + copied_bytes + heap_bytes + generated_bytes; }
};

/// Measures the process now. Assumes that all pages of every Buffer have been touched; untouched
/// pages make the result too small, so measure before an arena is allocated. Takes about a
/// millisecond. Throws Error(kDevice) if /proc/self/smaps cannot be read.
BaseMemory measure_base();

/// Bytes of a session's tables (graph, plan, calls) for each node of its graph.
inline constexpr std::uint64_t kNodeBytes = 1400;

/// What a run will add to a base that was measured after its graphs were built and its kernels
/// chosen, but before they were compiled.
struct RunCounts {
  int generated_kernels = 0;  // distinct kernels that compile() will generate (products)
  int nodes = 0;              // in the graphs whose sessions exist at once
  int threads = 1;            // to be started: the pool's, readers, movers
};
/// The bytes they add to the heap and to generated code.
std::uint64_t added_bytes(const RunCounts& counts);
/// The base at the run's peak. Accurate to 3 MiB if `chosen` was measured with the heap trimmed and
/// the run calls drop_unmodified_code() before it starts, as sessions do.
BaseMemory predict_base(const BaseMemory& chosen, const RunCounts& counts);

/// Hold this while a library is opened (dlopen). drop_unmodified_code() holds it too: it could
/// otherwise drop a library's pages as unmodified just before they are relocated.
std::mutex& mappings_mutex();

/// Drops unmodified pages of code and constants from the process; those still in use are mapped
/// again from the system's page cache. Code that only start-up or loading needs (dynamic linking,
/// parsers, code generators, indirect libraries) stays out: about 8 MiB. Call it between the stages
/// of a run. Takes about a millisecond; thread-safe.
void drop_unmodified_code();

}  // namespace semblance
