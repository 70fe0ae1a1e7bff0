#include "memory/base_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>

#include "core/error.h"
#include "memory/buffer.h"

namespace semblance {
namespace {

// Measured by bench/base_memory, on x86-64 with AVX2 and AVX-512.
constexpr std::uint64_t kRunCodeBytes = 5 << 20;         // code pages that a run touches
constexpr std::uint64_t kGeneratedBytes = 28 << 10;      // code of one kernel
constexpr std::uint64_t kGeneratorHeapBytes = 32 << 10;  // the library's heap for that kernel
constexpr std::uint64_t kStackBytes = 96 << 10;          // used by one thread

/// A mapping of the process, as /proc/self/smaps describes it.
struct Mapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  bool writable = false;
  bool executable = false;
  bool is_file = false;
  std::uint64_t resident_bytes = 0;
  std::uint64_t anonymous_bytes = 0;
};

std::string read_smaps() {
  // The file reports no size; read to the end.
  const int file = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
  std::string text;
  if (file < 0) return text;
  std::size_t used = 0;
  for (;;) {
    text.resize(used + (64 << 10));
    const ssize_t got = read(file, text.data() + used, text.size() - used);
    if (got <= 0) break;
    used += static_cast<std::size_t>(got);
  }
  close(file);
  text.resize(used);
  return text;
}

template <typename OnMapping>
bool each_mapping(OnMapping&& on_mapping) {
  const std::string text = read_smaps();
  Mapping mapping;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t line_end = std::min(text.find('\n', at), text.size() - 1);
    const std::string line = text.substr(at, line_end - at);
    at = line_end + 1;
    unsigned long begin = 0;
    unsigned long end = 0;
    unsigned long kib = 0;
    char flags[5] = {};
    int path = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %*x %*x:%*x %*u %n", &begin, &end, flags, &path) ==
        3) {
      mapping = {begin, end, flags[1] == 'w', flags[2] == 'x',
                 static_cast<std::size_t>(path) < line.size() &&
                     line[static_cast<std::size_t>(path)] == '/'};
    } else if (std::sscanf(line.c_str(), "Rss: %lu", &kib) == 1) {
      mapping.resident_bytes = std::uint64_t{kib} * 1024;
    } else if (std::sscanf(line.c_str(), "Anonymous: %lu", &kib) == 1) {
      mapping.anonymous_bytes = std::uint64_t{kib} * 1024;
      on_mapping(mapping);
    }
  }
  return !text.empty();
}

}  // namespace

BaseMemory measure_base() {
  BaseMemory base;
  const bool read = each_mapping([&](const Mapping& mapping) {
    if (mapping.is_file) {
      base.code_bytes += mapping.resident_bytes - mapping.anonymous_bytes;
      base.copied_bytes += mapping.anonymous_bytes;
    } else {
      (mapping.executable ? base.generated_bytes : base.heap_bytes) += mapping.resident_bytes;
    }
  });
  if (!read) fail(ErrorKind::kDevice, "cannot measure this process's memory: no /proc/self/smaps");
  for (int tag = 0; tag < kTagCount; ++tag)
    base.heap_bytes -= std::min(base.heap_bytes, count_of(static_cast<Tag>(tag)).bytes);
  return base;
}

namespace {

std::uint64_t generated_bytes(const RunCounts& counts) {
  return static_cast<std::uint64_t>(counts.generated_kernels) * kGeneratedBytes;
}

std::uint64_t added_heap_bytes(const RunCounts& counts) {
  return static_cast<std::uint64_t>(counts.generated_kernels) * kGeneratorHeapBytes +
         static_cast<std::uint64_t>(counts.nodes) * kNodeBytes +
         static_cast<std::uint64_t>(counts.threads) * kStackBytes;
}

}  // namespace

std::uint64_t added_bytes(const RunCounts& counts) {
  return generated_bytes(counts) + added_heap_bytes(counts);
}

BaseMemory predict_base(const BaseMemory& chosen, const RunCounts& counts) {
  BaseMemory base = chosen;
  base.code_bytes = kRunCodeBytes;
  base.generated_bytes += generated_bytes(counts);
  base.heap_bytes += added_heap_bytes(counts);
  return base;
}

std::mutex& mappings_mutex() {
  static std::mutex mutex;
  return mutex;
}

void drop_unmodified_code() {
  const std::lock_guard guard(mappings_mutex());
  each_mapping([](const Mapping& mapping) {
    // Dropping a modified page would lose the changes.
    if (!mapping.is_file || mapping.writable || mapping.anonymous_bytes > 0) return;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the system tells addresses as text.
    madvise(reinterpret_cast<void*>(mapping.begin), mapping.end - mapping.begin, MADV_DONTNEED);
  });
}

}  // namespace semblance
