// What the process holds beside Buffers: its code and libraries, the heap, code generated at run
// time, stacks. A plan counts it to the budget, so that it is measured before a run, and what the
// run adds is predicted from what is known by then. Linux: read from /proc.
#pragma once

#include <cstdint>
#include <mutex>

namespace semblance {

/// Resident bytes.
struct BaseMemory {
  std::uint64_t code_bytes = 0;       // the program and its libraries: pages of their files
  std::uint64_t copied_bytes = 0;     // those that were written to: variables, relocations
  std::uint64_t heap_bytes = 0;       // every other anonymous page that is no Buffer's
  std::uint64_t generated_bytes = 0;  // code made at run time

  std::uint64_t total() const { return code_bytes + copied_bytes + heap_bytes + generated_bytes; }
};

/// What the process holds now. Buffers count as if all of their pages had been used: exact where
/// they have been, too little base where not; so measure before an arena is taken. Takes about a
/// millisecond. Throws Error(kDevice) when /proc/self/smaps cannot be read.
BaseMemory measure_base();

/// What a session's tables take of one node of its graph: the graph, the plan, what is called.
inline constexpr std::uint64_t kNodeBytes = 1400;

/// What a run will add to a base that was measured when its graphs were built and its kernels
/// chosen, before they are compiled.
struct RunCounts {
  int generated_kernels = 0;  // whose code compile() will generate (products), equal ones once
  int nodes = 0;              // of the graphs whose sessions live at once
  int threads = 1;            // that will be started: the pool's, readers, movers
};
/// What they add to the heap and to the code that is generated.
std::uint64_t added_bytes(const RunCounts& counts);
/// The base at the run's peak. `chosen` should be measured with the heap trimmed, and the run
/// should call give_back_code() before it starts, as sessions do: to within 3 MiB then.
BaseMemory predict_base(const BaseMemory& chosen, const RunCounts& counts);

/// Hold it while a library is opened (dlopen): give_back_code() does, and would take the library's
/// pages for code that nobody has written to just before they are relocated.
std::mutex& mappings_mutex();

/// Takes pages of code and constants that nobody has written to out of the process; those that are
/// used come back by themselves, from the system's page cache. What only a start or a load needs
/// (dynamic linking, parsers, code generators, libraries of libraries) stays away: some 8 MiB.
/// Call it between the stages of a run. Takes about a millisecond; thread-safe.
void give_back_code();

}  // namespace semblance
