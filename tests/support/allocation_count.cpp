#include "tests/support/allocation_count.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <new>

namespace semblance::testing {
namespace {

struct Range {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

std::atomic<bool> counting{false};
std::atomic<std::int64_t> blocks, bytes, held, peak, ours;
std::atomic<const void*> first_of_ours;
std::array<Range, 2> libraries;  // addresses of oneDNN and OpenMP

int find_library(dl_phdr_info* info, std::size_t, void*) {
  const bool onednn = std::strstr(info->dlpi_name, "libdnnl") != nullptr;
  if (!onednn && std::strstr(info->dlpi_name, "libgomp") == nullptr) return 0;
  Range& range = libraries[onednn ? 0 : 1];
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
    const std::uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    if (range.begin == 0) range.begin = begin;
    range.end = begin + info->dlpi_phdr[i].p_memsz;
  }
  return 0;
}

[[maybe_unused]] void took(std::size_t size, const void* caller) {
  if (!counting.load(std::memory_order_relaxed)) return;
  const auto taken = static_cast<std::int64_t>(size);
  ++blocks;
  bytes += taken;
  const std::int64_t now = held += taken;
  std::int64_t most = peak.load();
  while (now > most && !peak.compare_exchange_weak(most, now)) {
  }
  const auto address = reinterpret_cast<std::uintptr_t>(caller);
  for (const Range& range : libraries) {
    if (address >= range.begin && address < range.end) return;
  }
  if (ours++ == 0) first_of_ours = caller;
}

[[maybe_unused]] void gave(std::size_t size) {
  if (counting.load(std::memory_order_relaxed)) held -= static_cast<std::int64_t>(size);
}

}  // namespace

AllocationCount::AllocationCount() {
  dl_iterate_phdr(&find_library, nullptr);
  blocks = bytes = held = peak = ours = 0;
  first_of_ours = nullptr;
  counting = true;
}

AllocationCount::~AllocationCount() { counting = false; }

Allocations AllocationCount::read() const {
  return {blocks, bytes, peak, held, ours, first_of_ours};
}

}  // namespace semblance::testing

#ifndef SEMBLANCE_SANITIZED

// glibc's names for the functions replaced here.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace {

using semblance::testing::gave;
using semblance::testing::took;

void* counted(void* block, const void* caller) {
  if (block != nullptr) took(malloc_usable_size(block), caller);
  return block;
}

void* counted_new(std::size_t size, std::size_t alignment, const void* caller) {
  void* block = alignment <= alignof(std::max_align_t) ? __libc_malloc(size)
                                                       : __libc_memalign(alignment, size);
  if (block == nullptr) throw std::bad_alloc();
  return counted(block, caller);
}

}  // namespace

#define SEMBLANCE_CALLER __builtin_return_address(0)

extern "C" {

void* malloc(std::size_t size) { return counted(__libc_malloc(size), SEMBLANCE_CALLER); }
void* calloc(std::size_t count, std::size_t size) {
  return counted(__libc_calloc(count, size), SEMBLANCE_CALLER);
}
void free(void* block) {
  if (block != nullptr) gave(malloc_usable_size(block));
  __libc_free(block);
}
void* realloc(void* block, std::size_t size) {
  const std::size_t before = block == nullptr ? 0 : malloc_usable_size(block);
  void* moved = __libc_realloc(block, size);
  if (moved != nullptr || size == 0) gave(before);
  return counted(moved, SEMBLANCE_CALLER);
}
void* memalign(std::size_t alignment, std::size_t size) {
  return counted(__libc_memalign(alignment, size), SEMBLANCE_CALLER);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return counted(__libc_memalign(alignment, size), SEMBLANCE_CALLER);
}
int posix_memalign(void** block, std::size_t alignment, std::size_t size) {
  *block = counted(__libc_memalign(alignment, size), SEMBLANCE_CALLER);
  return *block == nullptr ? ENOMEM : 0;
}

void* mmap(void* address, std::size_t size, int protection, int flags, int file, off_t offset) {
  const long mapped = syscall(SYS_mmap, address, size, protection, flags, file, offset);
  void* const block = reinterpret_cast<void*>(mapped);
  if (block != MAP_FAILED) took(size, SEMBLANCE_CALLER);
  return block;
}
int munmap(void* address, std::size_t size) {
  gave(size);
  return static_cast<int>(syscall(SYS_munmap, address, size));
}

}  // extern "C"

// Replaced so that the recorded caller is ours, not libstdc++.
void* operator new(std::size_t size) { return counted_new(size, 1, SEMBLANCE_CALLER); }
void* operator new[](std::size_t size) { return counted_new(size, 1, SEMBLANCE_CALLER); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted_new(size, static_cast<std::size_t>(alignment), SEMBLANCE_CALLER);
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return counted_new(size, static_cast<std::size_t>(alignment), SEMBLANCE_CALLER);
}
void operator delete(void* block) noexcept { free(block); }
void operator delete[](void* block) noexcept { free(block); }
void operator delete(void* block, std::size_t) noexcept { free(block); }
void operator delete[](void* block, std::size_t) noexcept { free(block); }
void operator delete(void* block, std::align_val_t) noexcept { free(block); }
void operator delete[](void* block, std::align_val_t) noexcept { free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { free(block); }
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept { free(block); }

#endif
